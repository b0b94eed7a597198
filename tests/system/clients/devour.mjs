import JsonApi from 'devour-client'

export default (url) => {
  const api = new JsonApi({ apiUrl: url, logger: false, errorBuilder: (error) => error })
  api.define('user', {
    email: '', name: '', is_active: '', role: '',
    creation_time: '', update_time: ''
  }, { readOnly: ['creation_time', 'update_time'] })
  api.define('group', {
    name: '',
    owner: { jsonApi: 'hasOne' },
    members: { jsonApi: 'hasMany' }
  })
  const user = (id) => id && { type: 'users', id }
  const members = (id) => api.one('group', id).relationships('members')

  return {
    create: async (user) => (await api.create('user', user)).data,
    read: async (id) => (await api.find('user', id)).data,
    change: async (id, changes) => (await api.update('user', { id, ...changes })).data,
    remove: (id) => api.destroy('user', id),

    async pages({ role, sort, size }) {
      const pages = []
      for (let number = 1; ; number++) {
        const params = { filter: { role }, sort, page: { size, number } }
        const { data, links } = await api.findAll('user', params)
        pages.push(data)
        if (!links.next) return pages
      }
    },

    groups: {
      create: async ({ name, owner, members }) =>
        (await api.create('group', { name, owner: user(owner), members: members.map(user) })).data.id,
      read: async (id) => (await api.find('group', id, { include: 'owner,members' })).data,
      add: (id, member) => members(id).post([user(member)]),
      remove: (id, member) => members(id).destroy([user(member)]),
      own: (id, owner) => api.update('group', { id, owner: user(owner) }),
      members: async (id) => (await api.one('group', id).all('members').get()).data,
      filtered: async (id) => (await api.findAll('user', { filter: { groups: id } })).data
    },

    problems: (errors) => Object.values(errors)
  }
}
