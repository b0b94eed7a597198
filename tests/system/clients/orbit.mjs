import { JSONAPISerializers, JSONAPISource } from '@orbit/jsonapi'
import { RecordKeyMap, RecordSchema } from '@orbit/records'
import { buildSerializerSettingsFor } from '@orbit/serializers'

// Orbit assigns ids to records before they are saved. The id from the service is another key.
const schema = new RecordSchema({
  models: {
    user: {
      keys: { remoteId: {} },
      attributes: {
        email: { type: 'string' },
        name: { type: 'string' },
        is_active: { type: 'boolean' },
        role: { type: 'string' }
      }
    },
    group: {
      keys: { remoteId: {} },
      attributes: { name: { type: 'string' } },
      relationships: {
        owner: { kind: 'hasOne', type: 'user' },
        members: { kind: 'hasMany', type: 'user' }
      }
    }
  }
})
const serializerSettingsFor = buildSerializerSettingsFor({
  settingsByType: {
    [JSONAPISerializers.ResourceType]: {
      serializationOptions: { inflectors: ['pluralize'] },
      deserializationOptions: { inflectors: ['singularize'] }
    }
  }
})
const flat = ({ keys, attributes }) => ({ id: keys.remoteId, ...attributes })

export default (url) => {
  const keyMap = new RecordKeyMap()
  const source = new JSONAPISource({
    name: 'roster',
    host: url,
    schema,
    keyMap,
    serializerSettingsFor,
    defaultQueryOptions: { raiseNotFoundExceptions: true }
  })
  const record = (type) => (id) => id && ({ type, id: keyMap.keyToId(type, 'remoteId', id) })
  const [user, group] = [record('user'), record('group')]

  return {
    create: async (attributes) =>
      flat(await source.update((t) => t.addRecord({ type: 'user', attributes }))),
    read: async (id) =>
      flat(await source.query((q) => q.findRecord({ type: 'user', key: 'remoteId', value: id }))),
    change: async (id, attributes) =>
      flat(await source.update((t) => t.updateRecord({ ...user(id), attributes }))),
    remove: (id) => source.update((t) => t.removeRecord(user(id))),

    async pages({ role, sort, size }) {
      const pages = []
      for (let number = 1; ; number++) {
        const { data, details: [{ document }] } = await source.query(
          (q) => q.findRecords('user').filter({ attribute: 'role', value: role }).sort(sort),
          { page: { size, number }, fullResponse: true }
        )
        pages.push(data.map(flat))
        if (!document.links.next) return pages
      }
    },

    groups: {
      async create({ name, owner, members }) {
        const relationships = { owner: { data: user(owner) }, members: { data: members.map(user) } }
        const record = { type: 'group', attributes: { name }, relationships }
        return flat(await source.update((t) => t.addRecord(record))).id
      },
      async read(id) {
        const { data, details: [{ document }] } = await source.query(
          (q) => q.findRecord(group(id)), { include: ['owner', 'members'], fullResponse: true }
        )
        const attributesOf = (user) => user && document.included
          .find(({ id }) => id === keyMap.idToKey('user', 'remoteId', user.id)).attributes
        const { owner, members } = data.relationships
        return { ...data.attributes, owner: attributesOf(owner.data), members: members.data.map(attributesOf) }
      },
      add: (id, member) =>
        source.update((t) => t.addToRelatedRecords(group(id), 'members', user(member))),
      remove: (id, member) =>
        source.update((t) => t.removeFromRelatedRecords(group(id), 'members', user(member))),
      own: (id, owner) =>
        source.update((t) => t.replaceRelatedRecord(group(id), 'owner', user(owner))),
      members: async (id) =>
        (await source.query((q) => q.findRelatedRecords(group(id), 'members'))).map(flat),
      filtered: async (id) => (await source.query(
        (q) => q.findRecords('user').filter({ attribute: 'groups', value: id })
      )).map(flat)
    },

    async problems(error) {
      if (error.data) await source.requestQueue.skip(error) // the queue stops at the failed request
      return error.data?.errors ?? [{ status: '404' }]
    }
  }
}
