// A client generated from /openapi.json: openapi-typescript creates types, openapi-fetch sends requests.
import assert from 'node:assert/strict'
import createClient from 'openapi-fetch'
import type { paths } from './schema.d.ts'

const baseUrl = process.argv[2]
const { GET, POST, PATCH, DELETE } = createClient<paths>({
  baseUrl,
  headers: { 'Content-Type': 'application/vnd.api+json' }
})

const attributes = { email: 'ann@example.org', name: 'Ann' }
const sent = { body: { data: { type: 'users', attributes } } } as const
const created = await POST('/api/v1/users', sent)
assert(created.data)
const { id } = created.data.data
assert.equal(created.data.data.attributes.is_active, false)

const read = await GET('/api/v1/users/{id}', { params: { path: { id } } })
assert.equal(read.data?.data.attributes.email, 'ann@example.org')

const query = { 'filter[name][starts_with]': 'an', sort: '-name', 'page[size]': 1 }
const page = await GET('/api/v1/users', { params: { query } })
assert.deepEqual(page.data?.data.map((user) => user.id), [id])
assert.equal(page.data?.links.next, null)

const etag = read.response.headers.get('ETag')
assert(etag)
const changed = await PATCH('/api/v1/users/{id}', {
  params: { path: { id }, header: { 'If-Match': etag } },
  body: { data: { type: 'users', id, attributes: { role: 'admin' } } }
})
assert.equal(changed.data?.data.attributes.role, 'admin')

const again = await POST('/api/v1/users', sent)
assert.equal(again.response.status, 409)
assert.deepEqual(again.error?.errors.map(({ code, source }) => [code, source?.pointer]), [
  ['email_taken', '/data/attributes/email']
])

const gone = await DELETE('/api/v1/users/{id}', { params: { path: { id } } })
assert.equal(gone.response.status, 204)
const missing = await GET('/api/v1/users/{id}', { params: { path: { id } } })
assert.equal(missing.error?.errors[0]?.code, 'user_not_found')

// Requests that contradict the description do not compile.
// @ts-expect-error: the email is missing
const nameless = () => POST('/api/v1/users', { body: { data: { type: 'users', attributes: { name: 'Ann' } } } })
// @ts-expect-error: there is no such parameter
const unknown = () => GET('/api/v1/users', { params: { query: { 'filter[color]': 'red' } } })
const relationships = { owner: { data: { type: 'groups', id: '1' } } } as const
// @ts-expect-error: an owner is a user
const ownedByGroup = () => POST('/api/v1/groups', { body: { data: { type: 'groups', attributes, relationships } } })
void [nameless, unknown, ownedByGroup]
console.log('all done')
