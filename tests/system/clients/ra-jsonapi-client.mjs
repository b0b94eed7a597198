import client from 'ra-jsonapi-client'

globalThis.localStorage ??= { getItem: () => null } // the client looks for a token in it

export default (url) => {
  const provide = client.default(url, { total: 'page' })
  const all = { pagination: { page: 1, perPage: 100 } }

  return {
    create: async (data) => (await provide('CREATE', 'users', { data })).data,
    read: async (id) => (await provide('GET_ONE', 'users', { id })).data,
    change: async (id, data) => (await provide('UPDATE', 'users', { id, data })).data,
    remove: (id) => provide('DELETE', 'users', { id }),

    async pages({ role, sort, size }) {
      const order = { field: sort.replace('-', ''), order: sort.startsWith('-') ? 'DESC' : 'ASC' }
      const pages = []
      for (let page = 1; ; page++) {
        const pagination = { page, perPage: size }
        const query = { pagination, sort: order, filter: { role } }
        const { data, total: { total } } = await provide('GET_LIST', 'users', query)
        pages.push(data)
        if (page * size >= total) return pages
      }
    },

    groups: { // without relationships and include
      members: async (id) => (await provide('GET_LIST', `groups/${id}/members`, all)).data,
      filtered: async (id) =>
        (await provide('GET_MANY_REFERENCE', 'users', { ...all, target: 'groups', id })).data
    },

    problems: (error) => error.message.errors
  }
}
