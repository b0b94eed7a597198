-- Creates a new user in each request. Arguments: the collection's path, a word unique to the run.
local threads = 0

function setup(thread)
   threads = threads + 1
   thread:set("number", threads)
end

function init(arguments)
   collection, run, count = arguments[1], arguments[2], 0
end

function request()
   count = count + 1
   local email = string.format("%s.%d.%d@example.org", run, number, count)
   local body = '{"data":{"type":"users","attributes":{"email":"' .. email
      .. '","name":"Somebody New","is_active":true,"role":"editor"}}}'
   return wrk.format("POST", collection, nil, body)
end
