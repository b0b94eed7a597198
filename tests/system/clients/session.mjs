// The session of every npm client: node session.mjs CLIENT BASE_URL, over an empty directory.
import assert from 'node:assert/strict'
import { plainGroups } from './plain.mjs'

const [client, baseUrl] = process.argv.slice(2)
const { default: connect } = await import(`./${client}.mjs`)
const users = connect(`${baseUrl}/api/v1`)

const refusal = async (promise) => {
  const error = await promise.then(() => assert.fail('not refused'), (error) => error)
  const problems = await users.problems(error)
  return problems.map(({ status, code, source }) => [status, code, source?.pointer])
}

const ann = await users.create({ email: 'ann@example.org', name: 'Ann' })
assert.match(ann.id, /^\d+$/)
assert.equal(ann.is_active, false)
assert.equal((await users.read(ann.id)).email, 'ann@example.org')

for (const name of ['Bea', 'Cem', 'Dag', 'Eva', 'Fin']) {
  await users.create({ email: `${name}@example.org`, name, role: 'guest', is_active: true })
}
const pages = await users.pages({ role: 'guest', sort: '-name', size: 2 })
const names = pages.map((page) => page.map(({ name }) => name).join(' '))
assert.deepEqual(names, ['Fin Eva', 'Dag Cem', 'Bea'])

assert.equal((await users.change(ann.id, { name: 'Ann Other' })).name, 'Ann Other')
const changed = await users.read(ann.id)
assert.deepEqual([changed.name, changed.email], ['Ann Other', 'ann@example.org'])

const email = '/data/attributes/email'
const invalid = users.create({ email: 'invalid', name: 'No', role: 'user', is_active: false })
assert.deepEqual(await refusal(invalid), [['422', 'invalid_email', email]])
const taken = users.create({ email: 'ANN@example.org', name: 'Ann' })
assert.deepEqual(await refusal(taken), [['409', 'email_taken', email]])
const refused = users.change(ann.id, { email: 'bea@example.org' })
assert.deepEqual(await refusal(refused), [['409', 'email_taken', email]])

// The functions that a client lacks are in docs/clients.md.
const groups = { ...plainGroups(`${baseUrl}/api/v1`), ...users.groups }
const [bea, cem] = (await users.pages({ role: 'guest', sort: 'name', size: 2 }))[0]
const staff = await groups.create({ name: 'Staff', owner: ann.id, members: [bea.id, cem.id] })
const namesOf = (found) => found.map(({ name }) => name).toSorted().join(' ')
const state = async () => {
  const { name, owner, members } = await groups.read(staff)
  return [name, owner?.name ?? null, namesOf(members)]
}
assert.deepEqual(await state(), ['Staff', 'Ann Other', 'Bea Cem'])
await groups.remove(staff, bea.id)
await groups.add(staff, ann.id)
await groups.own(staff, cem.id)
assert.deepEqual(await state(), ['Staff', 'Cem', 'Ann Other Cem'])
assert.equal(namesOf(await groups.members(staff)), 'Ann Other Cem')
assert.equal(namesOf(await groups.filtered(staff)), 'Ann Other Cem')
await groups.own(staff, null)
assert.deepEqual(await state(), ['Staff', null, 'Ann Other Cem'])

await users.remove(ann.id)
assert.deepEqual(await state(), ['Staff', null, 'Cem'])
assert.equal((await refusal(users.read(ann.id)))[0][0], '404')
console.log(`${client}: all done`)
