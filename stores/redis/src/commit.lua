-- One commit of one session: reads and checks everything first, then writes. `script.rs` encodes the arguments.
local A, K = ARGV, KEYS
local MANY = 4503599627370496 -- 2^52: sums and differences of smaller numbers are exact
local unpack = table.unpack or unpack
local call = redis.call

-- The fast path, for most commits: set or remove fields of a session and record its use, or create a session. It
-- creates as few tables and functions as possible. Other commits continue below: nothing has been written by then.
local kind, guards, writes = A[2], 0, 0
if kind ~= '' then
  guards, writes = tonumber(A[7]), tonumber(A[8])
end
local items = 9
local sets_at = items + 3 * guards
local removes_at = sets_at + 2 * writes
if kind == 'c' and guards == 0 and writes < 1000 and (A[5] == '' or writes <= tonumber(A[5])) then
  local key = K[1]
  if call('EXISTS', key) == 1 then return { 'E' } end
  if writes == 0 then
    call('HSET', key, 'h', A[4])
  else
    call('HSET', key, 'h', A[4], unpack(A, sets_at, removes_at - 1))
  end
  if A[6] ~= 'p' then call('PEXPIRE', key, A[6]) end
  return A[4]
elseif kind == 'k' and writes < 1000 then
  local key, now, use, plain = K[1], tonumber(A[4]), A[6], true
  local h, x
  if guards == 0 then
    local got = call('HMGET', key, 'h', 'x')
    h, x = got[1], got[2]
  else
    local names = { 'h', 'x' }
    for i = 0, guards - 1 do names[i + 3] = A[items + 3 * i] end
    local got = call('HMGET', key, unpack(names))
    h, x = got[1], got[2]
    for i = 0, guards - 1 do
      local p, value = items + 3 * i, got[i + 3]
      if A[p + 1] == '1' then
        if value ~= A[p + 2] then plain = false end
      elseif value then
        plain = false
      end
    end
  end
  if not h then return { 'G' } end
  local created, started, seen, told, idle, absolute = string.match(h, '^L(%d+) (%d+) (%-?%d+) (%-?%d+) (%d+) (%-?%d*)$')
  if created and plain then
    local before = h
    started, told, idle, absolute = tonumber(started), tonumber(told), tonumber(idle), tonumber(absolute)
    seen = started + tonumber(seen)
    plain = now < MANY and seen + idle < MANY and told > -MANY and told < MANY and (absolute or 0) < MANY
    if plain and (now >= seen + idle or absolute and now >= started + absolute) then return { 'G' } end
    local ttl
    if plain and use ~= '' then
      local due, tells, forced, new_idle, new_absolute = string.match(use, '^(%d+) (%d)(%d) (%d+) (%-?%d*)')
      due, new_idle, new_absolute = tonumber(due), tonumber(new_idle), tonumber(new_absolute)
      plain = due and now + new_idle < MANY and seen + new_idle < MANY and (new_absolute or 0) < MANY
      if plain then
        if now >= seen + new_idle or new_absolute and now >= started + new_absolute then return { 'G' } end
        told = seen + told
        local last = tells == '1' and told or seen
        if now > last and (forced == '1' or now - last >= due) or idle ~= new_idle or absolute ~= new_absolute then
          if now > seen then seen = now end
          if tells == '1' then told = seen end
          h = string.format('L%s %.0f %.0f %.0f %.0f %s', created, started, seen - started, told - seen, new_idle,
            new_absolute and string.format('%.0f', new_absolute) or '-')
          local deadline = seen + new_idle
          if new_absolute and started + new_absolute < deadline then deadline = started + new_absolute end
          ttl = math.max(deadline - now + tonumber(string.match(use, '%d+$')), 1)
          -- The horizon of the index entries may have to move too.
          if x and deadline > (tonumber(string.match(x, '^%d+')) or 0) then plain = false end
        end
      end
    end
    if plain and x then
      for i = sets_at, removes_at - 2, 2 do
        local field = string.sub(A[i], 2)
        if string.find(x, #field .. ':' .. field, 1, true) then plain = false end
      end
      for i = removes_at, #A do
        local field = string.sub(A[i], 2)
        if string.find(x, #field .. ':' .. field, 1, true) then plain = false end
      end
    end
    if plain and A[5] ~= '' then
      local len = call('HLEN', key) - 1 - (x and 1 or 0)
      plain = len + writes + #A - removes_at + 1 <= tonumber(A[5])
    end
    if plain then
      -- HSET comes first: after another write of the script, a full server would no longer reject it.
      if h ~= before then call('HSET', key, 'h', h) end
      if writes > 0 then call('HSET', key, unpack(A, sets_at, removes_at - 1)) end
      if removes_at <= #A then call('HDEL', key, unpack(A, removes_at)) end
      if ttl then call('PEXPIRE', key, string.format('%.0f', ttl)) end
      return h
    end
  end
end

local big = false

-- A number; `n` is never. If a number is not exact here, the caller calculates instead.
local function num(s)
  if s == 'n' then return math.huge end
  local n = tonumber(s)
  if not n or n >= MANY or n <= -MANY then big = true end
  return n or 0
end
local function text(n)
  if n == math.huge then return 'n' end
  return string.format('%.0f', n)
end
local function opt(s)
  if s == '-' or s == '' or not s then return nil end
  return num(s)
end

-- Parses a live record: see `record.rs`.
local function parse(h)
  local bar = string.find(h, '|', 1, true)
  local L = {}
  if bar then
    L.former = string.sub(h, bar + 1)
    h = string.sub(h, 1, bar - 1)
  end
  local t = {}
  for word in string.gmatch(h, '[^ ]+') do t[#t + 1] = word end
  if #t < 6 or (bar and #L.former ~= 32) then return nil end
  L.created = string.sub(t[1], 2)
  L.started = num(t[2])
  L.seen = L.started + num(t[3])
  L.told = L.seen + num(t[4])
  L.idle = num(t[5])
  L.absolute = opt(t[6])
  L.till = opt(t[7])
  if t[8] then L.own_idle, L.own_absolute, L.transient = num(t[8]), opt(t[9]), t[10] end
  return L
end
local function deadline(L)
  local idle = L.seen + L.idle
  if L.absolute and L.started + L.absolute < idle then return L.started + L.absolute end
  return idle
end
local function print_live(L)
  local t = { 'L' .. L.created, text(L.started), text(L.seen - L.started), text(L.told - L.seen), text(L.idle),
    L.absolute and text(L.absolute) or '-' }
  if L.former or L.own_idle then t[7] = L.former and text(L.till) or '-' end
  if L.own_idle then
    t[8], t[9], t[10] = text(L.own_idle), L.own_absolute and text(L.own_absolute) or '-', L.transient
  end
  local h = table.concat(t, ' ')
  if L.former then h = h .. '|' .. L.former end
  return h
end

-- Parses the index entries of a record: their horizon, then each field with the hash of its entry.
local function entries(x)
  local list = { horizon = 0 }
  if not x then return list end
  local gap = string.find(x, ' ', 1, true)
  list.horizon = num(string.sub(x, 1, gap - 1))
  local at = gap + 1
  while at <= #x do
    local colon = string.find(x, ':', at, true)
    local len = tonumber(string.sub(x, at, colon - 1))
    local field = string.sub(x, colon + 1, colon + len)
    at = colon + 1 + len + 16
    list[#list + 1] = { field, string.sub(x, at - 16, at - 1) }
  end
  return list
end
local function has_entry(x, hash)
  for _, entry in ipairs(entries(x)) do
    if entry[2] == hash then return true end
  end
  return false
end
local function before(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then return x < y end
  end
  return #a < #b
end

local H = {}
for word in string.gmatch(A[1], '[^ ]+') do H[#H + 1] = word ~= '~' and word or '' end
local step, now, ended_at, clear = H[1], num(H[2]), H[3], H[4]
local ttl, horizon, horizon_ttl, mark_ttl = H[5], H[6], H[7], H[8]
local due, flags, deploy_idle, deploy_absolute = H[9], H[10], H[11], H[12]
local slack, max_fields, dry = tonumber(H[13]), tonumber(H[14]), H[15] == '1'
local limits, first_index = tonumber(H[18]), tonumber(H[19])
local max_idle, max_absolute = H[20], H[21]
local others_ended_at, others_ttl, ends_others = H[22], H[23], H[24] == '1'
guards, writes = tonumber(H[16]), tonumber(H[17])
local base, post, pre, channel, mark = A[3], '', '', '', ''
if kind == '' then
  post, pre, channel, mark = A[4], A[5], A[6], A[7]
  items = 8
elseif kind == 'c' then
  post = A[4]
end
if step == 'C' or pre ~= '' then big = false end

-- The timeouts of a session: its own, limited to the longest that the deployment allows, or else the deployment's.
local function timeouts(L)
  if not L.own_idle then return num(deploy_idle), opt(deploy_absolute) end
  local idle, absolute = L.own_idle, L.own_absolute
  if max_idle ~= '' then
    local most = opt(max_absolute)
    idle = math.min(idle, num(max_idle))
    if most and (not absolute or most < absolute) then absolute = most end
  end
  return idle, absolute
end
-- The horizon: a session stays in the index for one idle period beyond its deadline.
local function far(L)
  local h = L.seen + 2 * L.idle
  if L.absolute and L.started + L.absolute < h then return L.started + L.absolute end
  return h
end
-- The time to live of a key; `p` is no expiry.
local function until_gone(moment)
  return moment == math.huge and 'p' or text(math.max(moment - now + slack, 1))
end

local declared = {}
for i = 1, #K do declared[K[i]] = true end
local need = {}
local function needs(key)
  if not declared[key] then
    declared[key] = true
    need[#need + 1] = key
  end
end

-- Reads the record, its index entries, the guarded fields, and the fields of additions.
local names = { 'h', 'x' }
local guard_at = items
for i = 0, guards - 1 do names[#names + 1] = A[guard_at + 3 * i] end
local at = guard_at + 3 * guards
local W = {}
if kind ~= '' then
  for i = sets_at, removes_at - 2, 2 do W[#W + 1] = { 'S', A[i], A[i + 1], '' } end
  for i = removes_at, #A do W[#W + 1] = { 'R', A[i] } end
else
  for i = 1, writes do
    local op = A[at]
    if op == 'S' then
      W[i] = { op, A[at + 1], A[at + 2], A[at + 3] }
      at = at + 4
    elseif op == 'R' then
      W[i] = { op, A[at + 1] }
      at = at + 2
    else
      W[i] = { op, A[at + 1], at + 2 }
      names[#names + 1] = A[at + 1]
      W[i].slot = #names
      at = at + 10
    end
  end
end
local limit_at = at

local key, id = K[1], string.sub(K[1], -32)
local by_former = false
local got, L
if step == 'C' then
  if call('EXISTS', key) == 1 then return { 'E' } end
  got = {}
else
  got = call('HMGET', key, unpack(names))
  local h = got[1]
  if not h then return { 'G' } end
  if string.sub(h, 1, 1) == 'M' then
    if step == 'R' then return { 'G' } end
    local bar = string.find(h, '|', 1, true)
    local to = bar and string.sub(h, bar + 1) or ''
    if #to ~= 32 then return { 'X' } end
    key = base .. ':' .. to
    if key ~= K[2] then return { 'M', to } end
    by_former = true
    got = call('HMGET', key, unpack(names))
    h = got[1]
    if not h then return { 'G' } end
  end
  local kind = string.sub(h, 1, 1)
  if kind == 'E' or kind == 'M' then return { 'G' } end
  if kind ~= 'L' then return { 'X' } end
  if pre ~= '' then
    if h ~= pre then return { 'V' } end
  else
    L = parse(h)
    if not L then return { 'X' } end
    if big then return { 'B' } end
    if now >= deadline(L) then return { 'G' } end
    if by_former and not (L.former == id and now < L.till) then return { 'G' } end
    if deploy_idle ~= '' then
      local idle, absolute = timeouts(L)
      if big then return { 'B' } end
      if now >= L.seen + idle or (absolute and now >= L.started + absolute) then return { 'G' } end
    end
  end
  if step == 'R' and call('EXISTS', K[2]) == 1 then return { 'E' } end
end
local current = string.sub(key, -32)

-- Guards.
local holds = true
local found = { 'C' }
for i = 0, guards - 1 do
  local p = guard_at + 3 * i
  local value = got[3 + i] or false
  found[i + 2] = value
  if A[p + 1] == '1' then
    if value ~= A[p + 2] then holds = false end
  elseif value then
    holds = false
  end
end
if not holds then return found end
if dry then return { 'Y' } end

-- Limits. The keys of all sessions that have an entry must be declared.
local over = {}
for i = 0, limits - 1 do
  local p = limit_at + 3 * i
  local hash, most, ends = A[p], tonumber(A[p + 1]), A[p + 2] == '1'
  local zkey = base .. '!' .. hash
  needs(zkey)
  local others, has_it = {}, false
  for _, member in ipairs(call('ZRANGEBYSCORE', zkey, '(' .. text(now), '+inf')) do
    local mkey = base .. ':' .. member
    if mkey == key then
      has_it = has_entry(got[2], hash)
    else
      needs(mkey)
      if #need == 0 then
        local r = call('HMGET', mkey, 'h', 'x')
        if r[1] and string.sub(r[1], 1, 1) == 'L' then
          local other = parse(r[1])
          if other and now < deadline(other) and has_entry(r[2], hash) then
            others[#others + 1] = { member, other.started, zkey }
          end
        end
      end
    end
  end
  if #need == 0 then
    local excess = #others + 1 - most
    if not ends and excess > 0 and not has_it then return { 'F', i } end
    if ends and excess > 0 then
      table.sort(others, function(a, b)
        if a[2] ~= b[2] then return a[2] < b[2] end
        return before(a[1], b[1])
      end)
      for j = 1, excess do over[#over + 1] = others[j] end
    end
  end
end
if #need > 0 then return { 'N', unpack(need) } end

-- The number of fields.
local removed
local function removes(field)
  return clear == '2' or (clear == '1' and string.sub(field, 1, 15) ~= '.level-session:')
end
if clear ~= '0' and step ~= 'C' then
  removed = {}
  for _, field in ipairs(call('HKEYS', key)) do
    if string.sub(field, 1, 1) == '.' and removes(field) then removed[#removed + 1] = field end
  end
end
if max_fields then
  local len = 0
  if step ~= 'C' then len = call('HLEN', key) - 1 - (got[2] and 1 or 0) end
  local kept = len - (removed and #removed or 0)
  if kept + writes > max_fields then
    local left, new = kept, 0
    for i = 1, writes do
      local field = W[i][2]
      local there = step ~= 'C' and not removes(field) and call('HEXISTS', key, field) == 1
      if W[i][1] == 'R' then
        if there then left = left - 1 end
      elseif not there then
        new = new + 1
      end
    end
    if left + new > max_fields and left + new > len then return { 'T', left + new } end
  end
end

-- Additions: on encoded values, like `Add::apply`. The caller calculates a sum that is not exact here.
local function le(s, from, n)
  local value = 0
  for i = n - 1, 0, -1 do value = value * 256 + string.byte(s, from + i) end
  return value
end
local function to_le(value, n)
  local t = {}
  for i = 1, n do
    t[i] = string.char(value % 256)
    value = math.floor(value / 256)
  end
  return table.concat(t)
end
local WIDTH = { [251] = { 2, 251 }, [252] = { 4, 65536 }, [253] = { 8, 4294967296 } }
local function read_number(s, from)
  local tag, b = string.byte(s, from, from + 1)
  if not b or (tag ~= 2 and tag ~= 3) then return nil end
  local n = b
  if b > 250 then
    local width = WIDTH[b]
    if not width or #s ~= from + 1 + width[1] then return nil end
    n = le(s, from + 2, width[1])
    if n < width[2] or n >= MANY then return nil end
  elseif #s ~= from + 1 then
    return nil
  end
  if tag == 2 then return n end
  if n % 2 == 0 then return nil end
  return -(n + 1) / 2
end
local function write_number(n)
  local tag = '\2'
  if n < 0 then tag, n = '\3', -2 * n - 1 end
  if n <= 250 then return tag .. string.char(n) end
  if n < 65536 then return tag .. '\251' .. to_le(n, 2) end
  if n < 4294967296 then return tag .. '\252' .. to_le(n, 4) end
  return tag .. '\253' .. to_le(n, 8)
end
local function add(stored, p)
  local delta, min, max = tonumber(A[p]), tonumber(A[p + 1]), tonumber(A[p + 2])
  local head, value = A[p + 4], tonumber(A[p + 3])
  if stored then
    local b = string.byte(stored, 1)
    local body
    if b == 1 then
      body = 2
    elseif b == 17 and #stored > 9 then
      body = 10
    else
      return nil
    end
    if body == 2 or now < le(stored, 2, 8) then
      head = string.sub(stored, 1, body - 1)
      value = read_number(stored, body)
      if not value then return nil end
    end
  end
  if value >= MANY or value <= -MANY then return nil end
  local sum = value + delta
  if sum >= MANY or sum <= -MANY or sum < min or sum > max then return nil end
  return head .. write_number(sum)
end
local hard = false
for i = 1, writes do
  local w = W[i]
  if w[1] == 'A' then
    local stored = got[w.slot] or false
    if removes(w[2]) then stored = false end
    w.stored = stored
    local p = w[3]
    -- The caller's result: 0: none; 1: valid if the field is absent; 2: valid for these stored bytes.
    local known = A[p + 5]
    if known == '1' and not stored or known == '2' and stored == A[p + 6] then
      w.value = A[p + 7]
    else
      w.value = add(stored, p)
    end
    if not w.value then hard = true end
  end
end
if hard then
  local answer = { 'A' }
  for i = 1, writes do
    if W[i][1] == 'A' then answer[#answer + 1] = W[i].stored end
  end
  return answer
end

-- The use.
local changed = false
if step == 'K' then
  if pre ~= '' then
    changed = true
  elseif due ~= '' then
    local tells, forced = string.sub(flags, 1, 1) == '1', string.sub(flags, 2, 2) == '1'
    if not by_former and L.former then
      L.former, L.till = nil, nil
      changed = true
    end
    local idle, absolute = timeouts(L)
    local wait = due == 'n' and math.huge or tonumber(due)
    local last = tells and L.told or L.seen
    local later = now > last and (forced or now - last >= wait)
    if later or L.idle ~= idle or L.absolute ~= absolute then
      if now > L.seen then L.seen = now end
      if tells then L.told = L.seen end
      L.idle, L.absolute = idle, absolute
      changed = true
      local d = deadline(L)
      ttl = until_gone(d)
      local list = entries(got[2])
      if #list > 0 and d > list.horizon then
        horizon = text(far(L))
        horizon_ttl = until_gone(far(L))
      end
    end
    post = changed and print_live(L) or got[1]
  else
    post = got[1]
  end
elseif step == 'R' and pre == '' then
  post = 'L' .. L.created .. ' ' .. post
end

-- The index: the entries after the commit, and the keys that must be declared for them.
local key_after, id_after = key, current
if step == 'R' then key_after, id_after = K[2], string.sub(K[2], -32) end
local list = step == 'C' and { horizon = 0 } or entries(got[2])
local kept, gone, put = {}, {}, {}
local moved = step == 'R'
local grown = horizon ~= '' and num(horizon) > list.horizon
if step == 'D' then
  gone = list
else
  local new = {}
  for i = 1, writes do
    local w = W[i]
    if w[1] ~= 'A' then new[w[2]] = w[4] or '' end
  end
  local was = {}
  for _, entry in ipairs(list) do
    local name = '.' .. entry[1]
    local hash = new[name]
    was[name] = entry[2]
    if hash == entry[2] or (hash == nil and not removes(name)) then
      kept[#kept + 1] = entry
      if moved or grown then put[#put + 1] = entry[2] end
    else
      gone[#gone + 1] = entry
    end
  end
  for i = 1, writes do
    local w = W[i]
    if w[1] == 'S' and w[4] ~= '' and was[w[2]] ~= w[4] then
      kept[#kept + 1] = { string.sub(w[2], 2), w[4] }
      put[#put + 1] = w[4]
    end
  end
end
for _, hash in ipairs(put) do needs(base .. '!' .. hash) end
if #need > 0 then return { 'N', unpack(need) } end
-- Fails here on a key of another type, which would otherwise stop the commit halfway.
for i = first_index, #K do
  if string.sub(K[i], #base + 1, #base + 1) == '!' then call('ZCARD', K[i]) end
end
-- A horizon never decreases, so a listing in the order of the index misses no session.
local reindex = #put > 0 or #gone > 0 or (grown and #kept > 0)
if reindex and not grown then
  local h = list.horizon
  if h == 0 then h = far(L or parse(post)) end
  horizon = text(h)
  horizon_ttl = until_gone(h)
end

-- The script writes from here on. A full server rejects a command that needs memory, unless the script has written
-- before: a commit that ends other sessions therefore first removes a field that no session has.
if ends_others then call('HDEL', key_after, '') end
local function expire(k, ms)
  if ms == 'p' then
    call('PERSIST', k)
  elseif ms ~= '' then
    call('PEXPIRE', k, ms)
  end
end
local answer = { 'D', false, by_former and 1 or 0, {}, {} }
local told = {}
if step == 'D' then
  call('DEL', key)
  call('HSET', key, 'h', 'E' .. ended_at)
  expire(key, mark_ttl)
  told[1] = current
  answer[2] = ''
else
  if step == 'R' then
    call('RENAME', K[1], K[2])
  end
  local set, del, stays = {}, {}, {}
  if step == 'R' or step == 'C' or post ~= got[1] then
    set[1], set[2] = 'h', post
  end
  for i = 1, writes do
    local w = W[i]
    if w[1] == 'R' then
      if not removes(w[2]) then del[#del + 1] = w[2] end
    else
      stays[w[2]] = true
      set[#set + 1] = w[2]
      set[#set + 1] = w[1] == 'S' and w[3] or w.value
    end
  end
  for _, field in ipairs(removed or {}) do
    if not stays[field] then del[#del + 1] = field end
  end
  if reindex then
    if #kept > 0 then
      local t = { horizon .. ' ' }
      for _, entry in ipairs(kept) do t[#t + 1] = #entry[1] .. ':' .. entry[1] .. entry[2] end
      set[#set + 1] = 'x'
      set[#set + 1] = table.concat(t)
    else
      del[#del + 1] = 'x'
    end
  end
  -- HSET comes first: after another write of the script, a full server would no longer reject it.
  for i = 1, #set, 1000 do call('HSET', key_after, unpack(set, i, math.min(i + 999, #set))) end
  for i = 1, #del, 1000 do call('HDEL', key_after, unpack(del, i, math.min(i + 999, #del))) end
  expire(key_after, ttl)
  if step == 'R' then
    call('HSET', K[1], 'h', mark)
    expire(K[1], mark_ttl)
    told[1] = current
  end
  answer[2] = post
end
local score = horizon == 'n' and '+inf' or horizon
for _, hash in ipairs(put) do
  local zkey = base .. '!' .. hash
  local left = call('PTTL', zkey)
  call('ZADD', zkey, score, id_after)
  if moved then call('ZREM', zkey, current) end
  if now > slack then call('ZREMRANGEBYSCORE', zkey, '-inf', '(' .. text(now - slack)) end
  if horizon_ttl == 'p' then
    call('PERSIST', zkey)
  elseif left == -2 or (left >= 0 and left < tonumber(horizon_ttl)) then
    call('PEXPIRE', zkey, horizon_ttl)
  end
end
for _, entry in ipairs(gone) do
  local zkey = base .. '!' .. entry[2]
  if declared[zkey] then
    call('ZREM', zkey, current)
  else
    answer[5][#answer[5] + 1] = entry[2]
  end
end
for _, other in ipairs(over) do
  local mkey = base .. ':' .. other[1]
  if not told[mkey] then
    told[mkey] = true
    call('DEL', mkey)
    call('HSET', mkey, 'h', 'E' .. others_ended_at)
    expire(mkey, others_ttl)
    told[#told + 1] = other[1]
    answer[4][#answer[4] + 1] = other[1]
  end
  call('ZREM', other[3], other[1])
end
if channel ~= '' then
  for _, digest in ipairs(told) do call('PUBLISH', channel, digest) end
end
if not by_former and #answer[4] == 0 and #answer[5] == 0 then return answer[2] end
return answer
