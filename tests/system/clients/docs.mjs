// Simulates a reader of /docs, and saves pictures: node docs.mjs BASE_URL TOKEN DIRECTORY.
import assert from 'node:assert/strict'
import { closeWithoutErrors, openDocs } from './docs_page.mjs'

const [baseUrl, token, directory] = process.argv.slice(2)

const operation = (page, id) => page.locator(`#operations-users-${id}`)

const tryOut = async (page, id) => {
  const block = operation(page, id)
  if (!(await block.getAttribute('class')).includes('is-open')) {
    await block.locator('.opblock-summary-control').click()
  }
  const clear = block.locator('button.btn-clear')
  if (await clear.count()) { // the response of an earlier request would look like the new one
    await clear.click()
    await block.locator('.live-responses-table').waitFor({ state: 'detached' })
  }
  await block.locator('button.execute').click()
  const status = block.locator('.live-responses-table .response-col_status').last()
  await status.waitFor()
  return { status: (await status.innerText()).trim().slice(0, 3), block }
}

const page = await openDocs(baseUrl, 'light')
assert.match(await page.title(), /Roster/)
assert(await page.locator('.opblock').count() >= 12)
await page.screenshot({ path: `${directory}/light.png` })

// Search leaves the sections that match.
await page.locator('.operation-filter-input').fill('operations')
await operation(page, 'list_users').waitFor({ state: 'detached' })
assert.equal(await page.locator('.opblock').count(), 1)
await page.locator('.operation-filter-input').fill('')
await operation(page, 'list_users').waitFor()

// The page does not store the token, where any script of the origin could read it later.
const stored = () => page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }]))
if (token) {
  await page.locator('.btn.authorize').first().click()
  await page.locator('.auth-container input').fill(token)
  await page.locator('.auth-btn-wrapper .authorize').click()
  await page.locator('.auth-btn-wrapper .btn-done').click()
  assert(!(await stored()).includes(token))
}

// The list shows a filter for each attribute, and the operators on request.
const list = operation(page, 'list_users')
await list.locator('.opblock-summary-control').click()
const execute = list.locator('button.execute')
await execute.waitFor()
const top = async (of) => (await of.boundingBox()).y - (await list.boundingBox()).y
const { height } = await list.boundingBox()
assert(height < 3500, `The operation is ${height} pixels high.`)
assert(await top(execute) < 2300)
await page.setViewportSize({ width: 390, height: 800 })
assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 390)
await page.setViewportSize({ width: 1200, height: 1400 })
const contains = list.locator('tr[data-param-name="filter[name][contains]"]')
const operators = list.getByRole('button', { name: 'operators of name' })
await list.locator('tr[data-param-name="filter[name]"]').waitFor()
assert.equal(await contains.count(), 0)
assert.equal(await operators.getAttribute('aria-expanded'), 'false')
await operators.click()
await contains.locator('input').fill('no such name')
await operators.click()
assert.equal(await operators.getAttribute('aria-expanded'), 'false')
assert.equal(await list.locator('tr[data-param-name="filter[name][starts_with]"]').count(), 0)
const filtered = await tryOut(page, 'list_users')
assert.match(await filtered.block.locator('.request-url').innerText(), /contains%5D=no%20such%20name/)
await contains.locator('input').fill('')

// All filters of a relationship are behind one button, and those of its attributes as well.
const related = list.locator('tr[data-param-name="filter[groups.description][contains]"]')
assert.equal(await related.count(), 0)
await list.getByRole('button', { name: 'operators and attributes of groups' }).click()
await related.waitFor()
await list.getByRole('button', { name: 'operators and attributes of groups' }).click()
assert.equal(await related.count(), 0)

const created = await tryOut(page, 'create_users')
assert.equal(created.status, '201')
const listed = await tryOut(page, 'list_users')
assert.equal(listed.status, '200')
assert.match(await listed.block.locator('.live-responses-table').innerText(), /ann@example\.org/)
await created.block.screenshot({ path: `${directory}/tried.png` })
if (token) assert(!(await stored()).includes(token))

await closeWithoutErrors(page)
console.log('all done')
