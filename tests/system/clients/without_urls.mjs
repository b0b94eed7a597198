// Takes out of package-lock.json who would like to be paid: those are the URLs in it.
import { readFileSync, writeFileSync } from 'node:fs'

const file = new URL('package-lock.json', import.meta.url)
const kept = (name, value) => name === 'funding' ? undefined : value
writeFileSync(file, JSON.stringify(JSON.parse(readFileSync(file), kept), null, 2) + '\n')
