import spraypaint from 'spraypaint'

const { SpraypaintBase, attr, belongsTo, hasMany } = spraypaint

export default (url) => {
  const { origin, pathname } = new URL(url)
  const keyCase = { server: 'snake', client: 'snake' }
  const Roster = SpraypaintBase.extend({
    static: { baseUrl: origin, apiNamespace: pathname, keyCase }
  })
  const User = Roster.extend({
    static: { jsonapiType: 'users' },
    attrs: { email: attr(), name: attr(), is_active: attr(), role: attr() }
  })
  const Group = Roster.extend({
    static: { jsonapiType: 'groups' },
    attrs: { name: attr(), owner: belongsTo({ type: User }), members: hasMany({ type: User }) }
  })

  const save = async (user) => {
    if (await user.save()) return user
    throw user.errors
  }

  return {
    create: (attributes) => save(new User(attributes)),
    read: async (id) => (await User.find(id)).data,
    async change(id, changes) {
      const { data: user } = await User.find(id)
      user.assignAttributes(changes)
      return save(user)
    },
    remove: async (id) => (await User.find(id)).data.destroy(),

    async pages({ role, sort, size }) {
      const order = { [sort.replace('-', '')]: sort.startsWith('-') ? 'desc' : 'asc' }
      const pages = []
      for (let number = 1; ; number++) {
        const { data, raw } = await User.where({ role }).order(order).per(size).page(number).all()
        pages.push(data)
        if (!raw.links.next) return pages
      }
    },

    groups: {
      async create({ name, owner: ownerId, members: ids }) {
        const owner = (await User.find(ownerId)).data
        const members = (await User.where({ id: ids.join() }).all()).data
        const group = new Group({ name, owner, members })
        if (await group.save({ with: ['owner.id', 'members.id'] })) return group.id
        throw group.errors
      },
      read: async (id) => (await Group.includes(['owner', 'members']).find(id)).data,
      filtered: async (id) => (await User.where({ groups: id }).all()).data
    },

    // Spraypaint reads the errors of 422 only, and leaves the others in the response.
    problems: async (error) => error.response
      ? (await error.response.json()).errors
      : Object.values(error).map(({ rawPayload }) => rawPayload)
  }
}
