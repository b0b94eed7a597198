// Opens /docs in a browser, and records errors and requests to other hosts.
import assert from 'node:assert/strict'
import { chromium } from 'playwright-core'

export const openDocs = async (baseUrl, colorScheme) => {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ['--no-sandbox'] })
  const context = await browser.newContext({ colorScheme, viewport: { width: 1200, height: 1400 } })
  const page = await context.newPage()
  page.setDefaultTimeout(15000)
  page.found = { errors: [], otherHosts: [] }
  page.on('console', (message) => {
    if (message.type() === 'error') page.found.errors.push(message.text())
  })
  page.on('pageerror', (error) => page.found.errors.push(String(error)))
  page.on('request', (request) => {
    const url = request.url()
    if (!url.startsWith(`${baseUrl}/`) && !url.startsWith('data:')) page.found.otherHosts.push(url)
  })
  await page.goto(`${baseUrl}/docs`)
  await page.locator('.opblock').first().waitFor()
  return page
}

export const closeWithoutErrors = async (page) => {
  assert.deepEqual(page.found, { errors: [], otherHosts: [] })
  await page.context().browser().close()
}
