import Kitsu from 'kitsu'

export default (url) => {
  const api = new Kitsu({ baseURL: url })

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

    problems: (error) => error.errors
  }
}
