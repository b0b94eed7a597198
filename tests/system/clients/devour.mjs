import JsonApi from 'devour-client'

export default (url) => {
  const api = new JsonApi({ apiUrl: url, logger: false, errorBuilder: (error) => error })
  api.define('user', {
    email: '', name: '', is_active: '', role: '',
    creation_time: '', update_time: ''
  }, { readOnly: ['creation_time', 'update_time'] })

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

    problems: (errors) => Object.values(errors)
  }
}
