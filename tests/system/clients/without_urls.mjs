// Removes the funding entries from package-lock.json. They are the only URLs in it.
import { readFileSync, writeFileSync } from 'node:fs'

const file = new URL('package-lock.json', import.meta.url)
const kept = (name, value) => name === 'funding' ? undefined : value
writeFileSync(file, JSON.stringify(JSON.parse(readFileSync(file), kept), null, 2) + '\n')
