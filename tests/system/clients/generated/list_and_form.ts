// A list with search and paging, and a form, on the types of /openapi.json. It needs no casts.
import assert from 'node:assert/strict'
import createClient from 'openapi-fetch'
import type { components, paths } from './schema.d.ts'

type User = components['schemas']['Users']
type Item = components['schemas']['UsersPageItem']
type Problem = components['schemas']['Error']
type Form = Pick<User['attributes'], 'email' | 'name' | 'is_active' | 'role'>
type Saved = { user: User; etag: string | null } | { messages: Map<string, string> } | 'changed'

const { GET, POST, PATCH } = createClient<paths>({
  baseUrl: process.argv[2],
  headers: { 'Content-Type': 'application/vnd.api+json' }
})

const row = ({ id, attributes }: Item): string => {
  const { name, email, is_active, update_time } = attributes
  const year = new Date(update_time).getUTCFullYear()
  return `${id} ${name.padEnd(3)} ${email.toLowerCase()} ${is_active ? 'active' : 'inactive'} ${year}`
}

async function list(words: string, after?: string) {
  const { data, error } = await GET('/api/v1/users', {
    params: {
      query: {
        ...(words && { 'filter[q]': words }),
        sort: 'name',
        'page[size]': 2,
        'page[total]': true,
        'page[after]': after
      }
    }
  })
  if (error) throw new Error(error.errors.map(({ detail }) => detail).join(' '))
  return {
    rows: data.data.map(row),
    total: data.meta?.page.total,
    next: data.links.next === null ? undefined : data.data.at(-1)?.meta.page.cursor
  }
}

// The message for each attribute. The pointer of a missing attribute names its parent.
const messages = (problems: Problem[]) => new Map(problems.map(({ detail, meta, source }) =>
  [meta?.attribute ?? source?.pointer?.split('/').at(-1) ?? '', detail]))

async function create(attributes: Form): Promise<Saved> {
  const { data, error, response } = await POST('/api/v1/users', {
    body: { data: { type: 'users', attributes } }
  })
  return error
    ? { messages: messages(error.errors) }
    : { user: data.data, etag: response.headers.get('ETag') }
}

async function change(id: string, etag: string, attributes: Partial<Form>): Promise<Saved> {
  const { data, error, response } = await PATCH('/api/v1/users/{id}', {
    params: { path: { id }, header: { 'If-Match': etag } },
    body: { data: { type: 'users', id, attributes } }
  })
  if (response.status === 412) return 'changed'
  return error
    ? { messages: messages(error.errors) }
    : { user: data.data, etag: response.headers.get('ETag') }
}

for (const name of ['Ann', 'Bea', 'Cem']) {
  await create({ email: `${name}@example.org`, name, is_active: true, role: 'guest' })
}
const year = new Date().getUTCFullYear()
const first = await list('example')
assert.deepEqual(first.rows, [
  `1 Ann ann@example.org active ${year}`,
  `2 Bea bea@example.org active ${year}`
])
assert.equal(first.total, 3)
const second = await list('example', first.next)
assert.deepEqual(second.rows, [`3 Cem cem@example.org active ${year}`])
assert.equal(second.next, undefined)
assert.equal((await list('bea')).total, 1)
assert.equal((await list('')).total, 3)
await assert.rejects(list('a b c d e f g h i'), /1 to 8 words/)

const read = await GET('/api/v1/users/{id}', { params: { path: { id: '1' } } })
const etag = read.response.headers.get('ETag')
assert(etag)
const renamed = await change('1', etag, { name: 'Ann Other' })
assert(renamed !== 'changed' && 'user' in renamed)
assert.equal(renamed.user.attributes.name, 'Ann Other')
assert.equal(await change('1', etag, { name: 'Ann Third' }), 'changed')

const invalid = await create({ email: 'dag', name: '', is_active: true, role: 'guest' })
assert(invalid !== 'changed' && 'messages' in invalid)
assert.deepEqual([...invalid.messages.keys()].toSorted(), ['email', 'name'])
const taken = await create({ email: 'bea@example.org', name: 'B', is_active: true, role: 'guest' })
assert(taken !== 'changed' && 'messages' in taken)
assert.equal(taken.messages.get('email'), 'Another user has this email.')

const history = await GET('/api/v1/users/{id}/history', { params: { path: { id: '1' } } })
assert.deepEqual(history.data?.data.map(({ attributes }) => attributes.action), ['created', 'changed'])
console.log('all done')
