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
  const user = (id) => ({ type: 'user', id: keyMap.keyToId('user', 'remoteId', id) })

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

    async problems(error) {
      if (error.data) await source.requestQueue.skip(error) // the queue stops at the failed request
      return error.data?.errors ?? [{ status: '404' }]
    }
  }
}
