import { readFileSync } from 'node:fs'
import { JSDOM } from 'jsdom'

const { window } = new JSDOM('', { url: process.argv[3], runScripts: 'outside-only' })
for (const script of ['angular/angular.js', 'angular-resource/angular-resource.js']) {
  window.eval(readFileSync(new URL(`node_modules/${script}`, import.meta.url), 'utf8'))
}
const { angular } = window

angular.module('directory', ['ngResource'])
  .config(['$httpProvider', ({ defaults }) => {
    defaults.headers.patch = { 'Content-Type': 'application/json' }
  }])
  .factory('User', ['$resource', ($resource) => (url) =>
    $resource(`${url}/users/:id.json`, { id: '@data.id' }, {
      query: { method: 'GET', isArray: false, url: `${url}/users.json` },
      create: { method: 'POST', url: `${url}/users.json` },
      update: { method: 'PATCH' }
    })])

export default (url) => {
  const User = angular.injector(['ng', 'directory']).get('User')(url)
  const flat = ({ data }) => ({ id: data.id, ...data.attributes })

  return {
    create: async (attributes) =>
      flat(await User.create({ data: { type: 'users', attributes } }).$promise),
    read: async (id) => flat(await User.get({ id }).$promise),
    async change(id, attributes) {
      const user = await User.get({ id }).$promise
      Object.assign(user.data.attributes, attributes)
      return flat(await user.$update())
    },
    remove: (id) => User.delete({ id }).$promise,

    async pages({ role, sort, size }) {
      const pages = []
      const query = { 'filter[role]': role, sort, 'page[size]': size }
      for (let number = 1; ; number++) {
        const { data, links } = await User.query({ ...query, 'page[number]': number }).$promise
        pages.push(data.map((user) => flat({ data: user })))
        if (!links.next) return pages
      }
    },

    problems: (response) => [...response.data.errors]
  }
}
