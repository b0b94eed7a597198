// A browser at Roster's own page for links: node account_page.mjs BASE_URL MAIL_FOLDER.
import assert from 'node:assert/strict'
import { chromium } from 'playwright-core'
import { nextLink } from './emails.mjs'

const [baseUrl, mailFolder] = process.argv.slice(2)
const account = `${baseUrl}/account`
const email = 'ann@example.org'
const passwords = ['violet tractor hums quietly', 'granite walrus sings at noon']

const send = (path, type, attributes, headers) => fetch(`${baseUrl}/api/v1${path}`, {
  method: 'POST',
  headers: { 'Content-Type': 'application/vnd.api+json', ...headers },
  body: JSON.stringify({ data: { type, attributes } })
})
const logIn = (address, password) => send('/sessions', 'sessions', { email: address, password })

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ['--no-sandbox'] })
const page = await browser.newPage()
page.setDefaultTimeout(15000)
const faults = []
const foreign = []
page.on('pageerror', (error) => faults.push(String(error)))
page.on('console', (line) => { if (/Content.Security.Policy/i.test(line.text())) faults.push(line.text()) })
page.on('request', (request) => {
  if (!request.url().startsWith(baseUrl) && request.url() !== 'about:blank') foreign.push(request.url())
  assert(!request.url().includes('rlt_') || request.url().includes('#'), request.url())
  assert(!request.headers().referer)
})
const open = async (url) => {
  await page.goto('about:blank')
  await page.goto(url)
}
const result = (text) => page.locator('#result').filter({ hasText: text }).waitFor()
const error = (text) => page.locator('#errors').filter({ hasText: text }).waitFor()
const setPassword = async (password) => {
  await page.getByLabel('New password').fill(password)
  await page.getByRole('button', { name: 'Set password' }).click()
}

// Sign up.
assert.equal((await send('/signups', 'signups', { email, name: 'Ann' })).status, 202)
const signup = await nextLink(mailFolder)
await open(signup)
await page.getByRole('heading', { name: 'Complete your sign-up' }).waitFor()
await setPassword('short')
await error('characters')
await setPassword(passwords[0])
await result('Your password is set')
assert.equal(page.url(), account)
const login = await logIn(email, passwords[0])
assert.equal(login.status, 201)

// Recover, from the form without a link.
await open(account)
await page.getByLabel('Email address').fill(email)
await page.getByRole('button', { name: 'Email me a link' }).click()
await result('If there is an account')
await open(await nextLink(mailFolder))
await page.getByRole('heading', { name: 'Set a new password' }).waitFor()
await page.getByLabel('Show the password').check()
assert.equal(await page.locator('#password').getAttribute('type'), 'text')
await setPassword(passwords[1])
await result('Your password is set')
assert.equal((await logIn(email, passwords[0])).status, 401)

// Confirm a new address.
const { data } = await (await logIn(email, passwords[1])).json()
const changed = await send('/me/email', 'emails', { email: 'new@example.org', password: passwords[1] }, {
  Authorization: `Bearer ${data.meta.access_token}`
})
assert.equal(changed.status, 202)
await open(await nextLink(mailFolder))
await page.getByRole('button', { name: 'Confirm email address' }).click()
await result('Your email address is confirmed')
assert.equal((await logIn('new@example.org', passwords[1])).status, 201)

// A link works once, and the page offers another one.
await open(signup)
await setPassword(passwords[0])
await error('The link is not valid')
await page.getByRole('link', { name: 'Request a new link' }).click()
await page.getByLabel('Email address').waitFor()

assert.deepEqual(faults, [])
assert.deepEqual(foreign, [])
await browser.close()
console.log('all done')
