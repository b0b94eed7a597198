-- Renames users repeatedly. If-Match has the ETag of the previous response.
-- Arguments: the URL of a user, with # for the id; a file of ids and ETags; a word unique to the run.
-- Each thread has one connection and its own users, so changes do not conflict.
local threads = 0

function setup(thread)
   threads = threads + 1
   thread:set("number", threads)
end

function init(arguments)
   url, run, index, count = arguments[1], arguments[3], 0, 0
   users = {}
   local line = 0
   for text in io.lines(arguments[2]) do
      line = line + 1
      if line % 8 == number % 8 then
         local id, etag = text:match("^(%S+) ?(.*)$")
         users[#users + 1] = {id = id, etag = etag ~= "" and etag or nil}
      end
   end
end

function request()
   index = index % #users + 1
   count = count + 1
   local user = users[index]
   wrk.headers["If-Match"] = user.etag
   local body = '{"data":{"type":"users","id":"' .. user.id .. '","attributes":{"name":"'
      .. "Renamed " .. run .. " " .. count .. '"}}}'
   return wrk.format("PATCH", (url:gsub("#", user.id)), nil, body)
end

function response(status, headers)
   users[index].etag = headers["ETag"] or headers["etag"]
end
