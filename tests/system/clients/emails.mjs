// Reads the emails that a service writes to a folder.
import { readdir, readFile } from 'node:fs/promises'

const opened = new Set()

const LINK_WITH_TOKEN = /http:\/\/\S*#token=rlt_[\w-]{43}&for=\w+/

// Waits for the next email with a link, and returns the link. By default, the link has a token.
export async function nextLink (folder, pattern = LINK_WITH_TOKEN) {
  const end = Date.now() + 20000
  while (Date.now() < end) {
    const files = await readdir(folder).catch(() => [])
    for (const file of files.filter((each) => each.endsWith('.eml') && !opened.has(each)).sort()) {
      opened.add(file)
      const content = await readFile(`${folder}/${file}`, 'utf8')
      const text = content.replaceAll(/=\r?\n/g, '').replaceAll('=3D', '=')
      const found = text.match(pattern)
      if (found) return found[0]
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error('no email with a link')
}
