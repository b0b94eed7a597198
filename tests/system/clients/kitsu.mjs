import Kitsu from 'kitsu'

export default (url) => {
  const api = new Kitsu({ baseURL: url })
  const user = (id) => id && { type: 'users', id }
  const members = (id) => ({ url: `groups/${id}/relationships/members`, type: 'users' })

  return {
    create: async (user) => (await api.create('users', user)).data,
    read: async (id) => (await api.get(`users/${id}`)).data,
    change: async (id, changes) => (await api.update('users', { id, ...changes })).data,
    remove: (id) => api.remove('users', id),

    async pages({ role, sort, size }) {
      const pages = []
      const params = { filter: { role }, sort, page: { size } }
      for (;;) {
        const { data, links } = await api.get('users', { params })
        pages.push(data)
        if (!links.next) return pages
        params.page.after = data.at(-1).meta.page.cursor
      }
    },

    groups: {
      async create({ name, owner, members }) {
        const group = { name, owner: { data: user(owner) }, members: { data: members.map(user) } }
        return (await api.create('groups', group)).data.id
      },
      async read(id) {
        const params = { include: 'owner,members' }
        const { name, owner, members } = (await api.get(`groups/${id}`, { params })).data
        return { name, owner: owner.data, members: members.data }
      },
      add: (id, member) => api.request({ ...members(id), method: 'POST', body: [user(member)] }),
      remove: (id, member) => api.request({
        ...members(id), method: 'DELETE', axiosOptions: { data: { data: [user(member)] } }
      }),
      async own(id, owner) {
        const { data: group } = await api.get(`groups/${id}`)
        await api.update('groups', { ...group, owner: { data: user(owner) } })
      },
      members: async (id) => (await api.get(`groups/${id}/members`)).data,
      filtered: async (id) => (await api.get('users', { params: { filter: { groups: id } } })).data
    },

    problems: (error) => error.errors
  }
}
