-- Renames users repeatedly. If-Match has the ETag of the previous response.
-- Arguments: the URL of a user, with # for the id; a file of ids and ETags; a word unique to the run.
-- Each thread has one connection and its own users, so changes do not conflict.
local threads = 0

function setup(thread)
   threads = threads + 1
   thread:set("number", threads)
end

function init(arguments)
   url, run, at, count = arguments[1], arguments[3], 0, 0
   mine = {}
   local line = 0
   for text in io.lines(arguments[2]) do
      line = line + 1
      if line % 8 == number % 8 then
         local id, etag = text:match("^(%S+) ?(.*)$")
         mine[#mine + 1] = {id = id, etag = etag ~= "" and etag or nil}
      end
   end
end

function request()
   at = at % #mine + 1
   count = count + 1
   local user = mine[at]
   wrk.headers["If-Match"] = user.etag
   local body = '{"data":{"type":"users","id":"' .. user.id .. '","attributes":{"name":"'
      .. "Renamed " .. run .. " " .. count .. '"}}}'
   return wrk.format("PATCH", (url:gsub("#", user.id)), nil, body)
end

function response(status, headers)
   mine[at].etag = headers["ETag"] or headers["etag"]
end
