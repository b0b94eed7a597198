-- One user after another, by chance. Arguments: what comes before the number in the URL, what
-- comes after it, how many users there are.
function init(arguments)
   before, after, users = arguments[1], arguments[2], tonumber(arguments[3])
   math.randomseed(users)
end

function request()
   return wrk.format("GET", before .. string.format("%07d", math.random(users)) .. after)
end
