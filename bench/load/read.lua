-- Reads random users. Arguments: the URL, with # for the number; the minimum number of its digits;
-- the number of users.
function init(arguments)
   before, after = arguments[1]:match("^(.*)#(.*)$")
   digits, users = "%0" .. arguments[2] .. "d", tonumber(arguments[3])
   math.randomseed(users)
end

function request()
   return wrk.format("GET", before .. string.format(digits, math.random(users)) .. after)
end
