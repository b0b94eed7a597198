// A browser at the page of docs/accounts.md: node accounts.mjs PAGE_URL MAIL_FOLDER.
import assert from 'node:assert/strict'
import { chromium } from 'playwright-core'
import { nextLink } from './emails.mjs'

const [pageUrl, mailFolder] = process.argv.slice(2)
const password = 'violet tractor hums quietly'
const newPassword = 'granite walrus sings at noon'

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ['--no-sandbox'] })
const context = await browser.newContext()
let page = await context.newPage()
const faults = []
const watch = (watched) => {
  watched.setDefaultTimeout(15000)
  watched.on('pageerror', (error) => faults.push(String(error)))
}
watch(page)
const status = (text) => page.locator('#status').filter({ hasText: text }).waitFor()
const message = (text) => page.locator('#message').filter({ hasText: text }).waitFor()
const submit = async (form, fields) => {
  for (const [name, value] of Object.entries(fields)) await page.locator(`#${form} [name=${name}]`).fill(value)
  await page.locator(`#${form} button`).click()
}
const loggedIn = () => page.locator('#name').filter({ hasText: 'Ann Example' }).waitFor()
const email = 'ann@example.org'

// Sign up, and set the password at the page that the link opens.
await page.goto(pageUrl)
await submit('signup', { name: 'Ann Example', email })
await status('you will get an email')
let link = await nextLink(mailFolder)
assert(link.startsWith(`${pageUrl}#token=`), link)
await page.goto('about:blank')
await page.goto(link)
await submit('link', { password: 'password1234' })
await message('easy to guess')
await submit('link', { password })
await status('Your password is set')
assert(!page.url().includes('rlt_'))

// Log in. A reload uses the refresh token.
await submit('login', { email, password: 'wrong' })
await message('The email or the password is wrong')
await submit('login', { email, password })
await loggedIn()
await page.locator('#sessions li').filter({ hasText: '(this one)' }).waitFor()
await page.reload()
await loggedIn()


// Change the password.
await submit('change', { current_password: 'wrong', password: newPassword })
await message('The password is wrong')
await submit('change', { current_password: password, password: newPassword })
await status('Your password is changed')

// Log out.
await page.locator('#logout').click()
await status('You are logged out')
assert.equal(await page.evaluate(() => sessionStorage.getItem('refresh_token')), null)
await submit('login', { email, password })
await message('The email or the password is wrong')

// Recover. The link ends the sessions of other browsers.
await submit('login', { email, password: newPassword })
await loggedIn()
const other = page
page = await (await browser.newContext()).newPage()
watch(page)
await page.goto(pageUrl)
await submit('recover', { email })
await status('you will get an email')
link = await nextLink(mailFolder)
await page.goto('about:blank')
await page.goto(link)
await submit('link', { password })
await status('Your password is set')
await submit('login', { email, password })
await loggedIn()
page = other
await page.reload()
await status('Your session has ended')

// The link of a notice has no token. It opens the form that requests a link.
const notice = await nextLink(mailFolder, /http:\/\/\S*#token=&for=\w+/)
await page.goto('about:blank')
await page.goto(notice)
await submit('recover', { email })
await status('you will get an email')

// A link works once. The tab shows the page already.
await page.goto(link)
await submit('link', { password })
await message('The link is not valid')

assert.deepEqual(faults, [])
await browser.close()
console.log('all done')
