// Groups with their owners and members, on the types of /openapi.json. It needs no casts.
import assert from 'node:assert/strict'
import createClient from 'openapi-fetch'
import type { components, paths } from './schema.d.ts'

type Group = components['schemas']['Groups']
type Resource = components['schemas']['Included'][number]
type User = components['schemas']['Users']
type Identifier = components['schemas']['UsersIdentifier']

const { GET, POST, PATCH, DELETE } = createClient<paths>({
  baseUrl: process.argv[2],
  headers: { 'Content-Type': 'application/vnd.api+json' }
})
const user = (id: string): Identifier => ({ type: 'users', id })
const names = (users: User[]) => users.map(({ attributes }) => attributes.name).toSorted()

// The resource that an identifier names, among the included ones.
const find = (included: Resource[], { id }: Identifier): User | undefined => included
  .filter((each) => each.type === 'users')
  .find((each) => each.id === id)

const card = ({ attributes, relationships: { owner, members } }: Group, included: Resource[] = []) => ({
  name: attributes.name,
  description: attributes.description ?? 'no description',
  owner: owner.data === null ? 'no owner' : find(included, owner.data)?.attributes.email,
  members: names(members.data?.flatMap((each) => find(included, each) ?? []) ?? []),
  isComplete: members.links.next === null
})

async function read(id: string) {
  const { data, error } = await GET('/api/v1/groups/{id}', {
    params: { path: { id }, query: { include: 'owner,members' } }
  })
  if (error) throw new Error(error.errors.map(({ detail }) => detail).join(' '))
  return card(data.data, data.included)
}

const ids: string[] = []
for (const name of ['Ann', 'Bea', 'Cem']) {
  const attributes = { name, email: `${name.toLowerCase()}@example.org` }
  const { data } = await POST('/api/v1/users', { body: { data: { type: 'users', attributes } } })
  assert(data)
  ids.push(data.data.id)
}
const [ann, bea, cem] = ids.map(user)
assert(ann && bea && cem)

const created = await POST('/api/v1/groups', {
  params: { query: { include: 'owner' } },
  body: {
    data: {
      type: 'groups',
      attributes: { name: 'Staff', description: null },
      relationships: { owner: { data: ann }, members: { data: [ann, bea] } }
    }
  }
})
assert(created.data)
const { id } = created.data.data
assert.equal(created.data.data.relationships.owner.data?.id, ann.id)
assert.equal(created.data.included?.length, 1)
assert.deepEqual(await read(id), {
  name: 'Staff',
  description: 'no description',
  owner: 'ann@example.org',
  members: ['Ann', 'Bea'],
  isComplete: true
})

// A page of groups, each with its members.
const page = await GET('/api/v1/groups', {
  params: { query: { 'filter[members]': bea.id, 'filter[owner.name]': 'Ann', include: 'owner,members' } }
})
assert.deepEqual(page.data?.data.map((each) => card(each, page.data.included).members), [['Ann', 'Bea']])

// Memberships.
const path = { id }
const members = '/api/v1/groups/{id}/relationships/members'
assert.equal((await POST(members, { params: { path }, body: { data: [cem] } })).response.status, 204)
assert.equal((await DELETE(members, { params: { path }, body: { data: [ann] } })).response.status, 204)
const identifiers = await GET(members, { params: { path, query: { include: 'members' } } })
assert.deepEqual(identifiers.data?.data.map((each) => each.id), [bea.id, cem.id])
assert(identifiers.data.data.at(-1)?.meta.page.cursor)
assert.equal(identifiers.data.links.related, `/api/v1/groups/${id}/members`)
assert.equal(identifiers.data.included?.length, 2)
const etag = identifiers.response.headers.get('ETag')
assert(etag)
const replaced = await PATCH(members, {
  params: { path, header: { 'If-Match': etag } }, body: { data: [ann, bea] }
})
assert.equal(replaced.response.status, 204)
const late = await PATCH(members, { params: { path, header: { 'If-Match': etag } }, body: { data: [] } })
assert.equal(late.response.status, 412)
const missing = await POST(members, { params: { path }, body: { data: [user('77')] } })
assert.deepEqual(missing.error?.errors.map(({ code, source }) => [code, source?.pointer]), [
  ['related_not_found', '/data/0/id']
])

// The lists of related resources, and a filter.
const related = await GET('/api/v1/groups/{id}/members', { params: { path, query: { sort: '-name' } } })
assert.deepEqual(related.data?.data.map(({ attributes }) => attributes.name), ['Bea', 'Ann'])
const groups = await GET('/api/v1/users/{id}/groups', { params: { path: { id: bea.id } } })
assert.deepEqual(groups.data?.data.map(({ attributes }) => attributes.name), ['Staff'])
const filtered = await GET('/api/v1/users', { params: { query: { 'filter[groups]': id } } })
assert.deepEqual(names(filtered.data?.data ?? []), ['Ann', 'Bea'])
const alone = await GET('/api/v1/users', { params: { query: { 'filter[groups][empty]': 'true' } } })
assert.deepEqual(names(alone.data?.data ?? []), ['Cem'])

// The owner, at the relationship and in the group.
const owner = '/api/v1/groups/{id}/relationships/owner'
assert.equal((await PATCH(owner, { params: { path }, body: { data: cem } })).response.status, 204)
assert.equal((await GET(owner, { params: { path } })).data?.data?.id, cem.id)
const owned = await GET('/api/v1/groups/{id}/owner', { params: { path } })
assert.equal(owned.data?.data?.attributes.name, 'Cem')
const changed = await PATCH('/api/v1/groups/{id}', {
  params: { path },
  body: { data: { type: 'groups', id, relationships: { owner: { data: null } } } }
})
assert.equal(changed.data?.data.relationships.owner.data, null)
assert.equal((await GET('/api/v1/groups/{id}/owner', { params: { path } })).data?.data, null)

// Operations.
const performed = await POST('/api/v1/operations', {
  headers: { 'Content-Type': 'application/vnd.api+json;ext="https://jsonapi.org/ext/atomic"' },
  body: {
    'atomic:operations': [
      { op: 'add', ref: { type: 'groups', id, relationship: 'members' }, data: [cem] },
      { op: 'update', ref: { type: 'groups', id, relationship: 'owner' }, data: bea }
    ]
  }
})
assert.equal(performed.response.status, 200)
const found = await read(id)
assert.deepEqual([found.owner, found.members], ['bea@example.org', ['Ann', 'Bea', 'Cem']])

console.log('all done')
