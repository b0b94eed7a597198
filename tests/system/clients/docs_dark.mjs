// Checks that /docs is dark for readers who prefer that: node docs_dark.mjs BASE_URL DIRECTORY.
import assert from 'node:assert/strict'
import { closeWithoutErrors, openDocs } from './docs_page.mjs'

const [baseUrl, directory] = process.argv.slice(2)
const dark = await openDocs(baseUrl, 'dark')
const background = await dark.evaluate(() => getComputedStyle(document.documentElement).backgroundColor)
const opaque = background.match(/^rgb\((\d+), (\d+), (\d+)\)$/)
assert(opaque, `the page is ${background} in the dark`)
assert(opaque.slice(1).every((part) => part < 64), `the page is ${background} in the dark`)
await dark.screenshot({ path: `${directory}/dark.png` })

await closeWithoutErrors(dark)
console.log('all done')
