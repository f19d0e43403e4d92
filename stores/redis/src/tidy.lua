-- Removes a stale index entry of an ended or changed session, unless the session has that entry (again).
local x = redis.call('HGET', KEYS[1], 'x')
if x then
  local at = string.find(x, ' ', 1, true) + 1
  while at <= #x do
    local colon = string.find(x, ':', at, true)
    at = colon + 17 + tonumber(string.sub(x, at, colon - 1))
    if string.sub(x, at - 16, at - 1) == ARGV[1] then return 0 end
  end
end
return redis.call('ZREM', KEYS[2], ARGV[2])
