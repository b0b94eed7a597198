-- One user after another, by chance. Arguments: the URL, with # for the number, and how many
-- digits that has at least; how many users there are.
function init(arguments)
   before, after = arguments[1]:match("^(.*)#(.*)$")
   digits, users = "%0" .. arguments[2] .. "d", tonumber(arguments[3])
   math.randomseed(users)
end

function request()
   return wrk.format("GET", before .. string.format(digits, math.random(users)) .. after)
end
