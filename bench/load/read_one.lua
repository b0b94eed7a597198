-- One user after another, by chance. Arguments: the collection's path, how many users there are.
function init(arguments)
   collection, users = arguments[1], tonumber(arguments[2])
   math.randomseed(users)
end

function request()
   return wrk.format("GET", collection .. "/" .. math.random(users))
end
