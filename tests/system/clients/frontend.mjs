// A browser at the page of docs/frontend.md: node frontend.mjs BASE_URL PAGE_URL FOREIGN_URL.
import assert from 'node:assert/strict'
import { chromium } from 'playwright-core'

const [baseUrl, pageUrl, foreignUrl] = process.argv.slice(2)
const users = `${baseUrl}/api/v1/users`
const send = async (url, method, data, headers) => {
  const response = await fetch(url, {
    method,
    headers: { 'Content-Type': 'application/vnd.api+json', ...headers },
    body: JSON.stringify({ data: { type: 'users', ...data } })
  })
  assert(response.ok)
  return (await response.json()).data
}
const markup = '<img src="x" onerror="document.title = 1">'
const names = ['Ann', 'Bea', 'Cem', 'Dag', 'Eva', 'Fin', 'Gus', 'Hal', 'Ida', 'Jan', 'Kim']
const created = []
for (const [number, name] of [...names, markup].entries()) {
  const attributes = { name, email: `user${number}@example.org`, role: 'guest' }
  created.push(await send(users, 'POST', { attributes }))
}
const bea = created[1]

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ['--no-sandbox'] })
const page = await browser.newPage()
page.setDefaultTimeout(15000)
const faults = []
const searches = []
page.on('pageerror', (error) => faults.push(String(error)))
page.on('request', (request) => {
  if (request.method() === 'GET' && request.url().includes('filter')) searches.push(request.url())
})
const button = (name) => page.getByRole('button', { name, exact: true })
const found = (number) => page.getByText(`Users found: ${number}`, { exact: true }).waitFor()
const row = (name) => page.getByRole('row').filter({ hasText: name })
const error = (text) => page.locator('.error').filter({ hasText: text })
const field = (name) => page.locator(`#form [name=${name}]`)
const closed = () => page.locator('#editor').waitFor({ state: 'hidden' })

await page.goto(pageUrl)
await found(12)
assert.equal(await page.locator('#rows tr').count(), 10)
await row(markup).waitFor() // as text
assert.equal(await page.title(), 'Users')

// Previous and next.
assert(await button('Previous').isDisabled())
await button('Next').click()
await row('Kim').waitFor()
assert.equal(await page.locator('#rows tr').count(), 2)
assert(await button('Next').isDisabled())
await button('Previous').click()
await row('Ann').waitFor()
assert(await button('Previous').isDisabled())

// Three keys in a row are one search.
await page.locator('#search').evaluate((input) => {
  for (const text of ['B', 'Be', 'Bea']) {
    input.value = text
    input.dispatchEvent(new Event('input'))
  }
})
await found(1)
assert.equal(searches.length, 1)

// A user that someone else changes during the edit.
await button('Edit Bea').click()
await field('name').fill('Bea Other')
await send(`${users}/${bea.id}`, 'PATCH', { id: bea.id, attributes: { role: 'admin' } })
await button('Save').click()
await error('Someone else changed this user').waitFor()
assert.equal(await field('role').inputValue(), 'admin')
assert.equal(await field('name').inputValue(), 'Bea Other')
await button('Save').click()
await closed()
await row('Bea Other').filter({ hasText: 'admin' }).waitFor()

// Errors are shown at their fields.
await button('Edit Bea Other').click()
await field('name').fill('')
await field('email').fill('bea')
await field('role').fill('Team Lead')
await button('Save').click()
for (const name of ['name', 'email', 'role']) {
  await page.locator(`#${name}-error`).filter({ hasText: name }).waitFor()
  assert.equal(await field(name).getAttribute('aria-invalid'), 'true')
}
assert.equal(await page.locator('#message').innerText(), '')
await field('name').fill('Bea')
await field('role').fill('admin')
await field('email').fill(created[0].attributes.email)
await button('Save').click()
await page.locator('#email-error').filter({ hasText: 'Another user has this email.' }).waitFor()
assert.equal(await field('name').getAttribute('aria-invalid'), 'false')
await button('Cancel').click()
await closed()

// A new user.
await page.locator('#search').fill('')
await found(12)
await button('New user').click()
await field('name').fill('Abe')
await field('email').fill('abe@example.org')
await button('Save').click()
await closed()
await found(13)
await row('Abe').filter({ hasText: 'yes' }).waitFor()

// An origin that the service does not allow.
await page.goto(foreignUrl)
await page.getByText(`does not allow ${new URL(foreignUrl).origin}.`).waitFor()

assert.deepEqual(faults, [])
await browser.close()
console.log('all done')
