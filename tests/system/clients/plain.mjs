// Groups with fetch, for what a client cannot do.
export const plainGroups = (url) => {
  const send = async (path, method = 'GET', data = undefined) => {
    const response = await fetch(url + path, {
      method,
      headers: { 'Content-Type': 'application/vnd.api+json' },
      body: data === undefined ? undefined : JSON.stringify({ data })
    })
    if (!response.ok) throw new Error(await response.text())
    return response.status === 204 ? undefined : response.json()
  }
  const user = (id) => id === null ? null : { type: 'users', id }

  return {
    async create({ name, owner, members }) {
      const relationships = { owner: { data: user(owner) }, members: { data: members.map(user) } }
      return (await send('/groups', 'POST', { type: 'groups', attributes: { name }, relationships })).data.id
    },
    async read(id) {
      const { data, included } = await send(`/groups/${id}?include=owner,members`)
      const attributesOf = (user) => user && included.find(({ id }) => id === user.id).attributes
      const { owner, members } = data.relationships
      return { name: data.attributes.name, owner: attributesOf(owner.data), members: members.data.map(attributesOf) }
    },
    add: (id, member) => send(`/groups/${id}/relationships/members`, 'POST', [user(member)]),
    remove: (id, member) => send(`/groups/${id}/relationships/members`, 'DELETE', [user(member)]),
    own: (id, owner) => send(`/groups/${id}/relationships/owner`, 'PATCH', user(owner)),
    members: async (id) => (await send(`/groups/${id}/members`)).data.map((each) => each.attributes),
    filtered: async (id) => (await send(`/users?filter[groups]=${id}`)).data.map((each) => each.attributes)
  }
}
