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
    defaults.headers.delete = { 'Content-Type': 'application/json' }
  }])
  .factory('User', ['$resource', ($resource) => (url) =>
    $resource(`${url}/users/:id.json`, { id: '@data.id' }, {
      query: { method: 'GET', isArray: false, url: `${url}/users.json` },
      create: { method: 'POST', url: `${url}/users.json` },
      update: { method: 'PATCH' }
    })])
  .factory('Group', ['$resource', ($resource) => (url) => {
    const members = `${url}/groups/:id/relationships/members`
    return $resource(`${url}/groups/:id`, { id: '@data.id' }, {
      create: { method: 'POST', url: `${url}/groups` },
      members: { method: 'GET', url: `${url}/groups/:id/members` },
      add: { method: 'POST', url: members },
      withdraw: { method: 'DELETE', url: members, hasBody: true },
      own: { method: 'PATCH', url: `${url}/groups/:id/relationships/owner` }
    })
  }])

export default (url) => {
  const injector = angular.injector(['ng', 'directory'])
  const User = injector.get('User')(url)
  const Group = injector.get('Group')(url)
  const user = (id) => id && { type: 'users', id }
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

    groups: {
      async create({ name, owner, members }) {
        const relationships = { owner: { data: user(owner) }, members: { data: members.map(user) } }
        const group = { type: 'groups', attributes: { name }, relationships }
        return (await Group.create({ data: group }).$promise).data.id
      },
      async read(id) {
        const { data, included } = await Group.get({ id, include: 'owner,members' }).$promise
        const attributesOf = (user) => user && included.find(({ id }) => id === user.id).attributes
        const { owner, members } = data.relationships
        return { ...data.attributes, owner: attributesOf(owner.data), members: members.data.map(attributesOf) }
      },
      add: (id, member) => Group.add({ id }, { data: [user(member)] }).$promise,
      remove: (id, member) => Group.withdraw({ id }, { data: [user(member)] }).$promise,
      own: (id, owner) => Group.own({ id }, { data: user(owner) }).$promise,
      members: async (id) => (await Group.members({ id }).$promise).data.map((data) => flat({ data })),
      filtered: async (id) =>
        (await User.query({ 'filter[groups]': id }).$promise).data.map((data) => flat({ data }))
    },

    problems: (response) => [...response.data.errors]
  }
}
