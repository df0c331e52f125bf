-- The server's clock went back, or the stream was emptied: ids would stand before the stored cursor and never be read.
-- Continue the numbering behind the cursor, and write what came too early again, marked for a check.
-- KEYS: stream
-- ARGV: cursor
-- Returns how many entries were moved; -1 when all was well
local function before(a, b)
  local a1, a2 = string.match(a, '(%d+)-(%d+)')
  local b1, b2 = string.match(b, '(%d+)-(%d+)')
  a1, a2, b1, b2 = tonumber(a1), tonumber(a2), tonumber(b1), tonumber(b2)
  return a1 < b1 or (a1 == b1 and a2 < b2)
end
if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('XADD', KEYS[1], 'MAXLEN', '0', ARGV[1], 'u', '0')
  return 0
end
local last = '0-0'
local info = redis.call('XINFO', 'STREAM', KEYS[1])
for i = 1, #info, 2 do
  if info[i] == 'last-generated-id' then
    last = info[i + 1]
  end
end
if not before(last, ARGV[1]) then
  return -1
end
local early = redis.call('XRANGE', KEYS[1], '-', '+')
redis.call('XSETID', KEYS[1], ARGV[1])
for _, entry in ipairs(early) do
  local field = entry[2]
  -- field[7]: r one record, p several
  redis.call('XADD', KEYS[1], '*', 'u', field[2], 't', field[4], 'q', field[6], field[7], field[8], 'l', field[10] or '1')
  redis.call('XDEL', KEYS[1], entry[1])
end
return #early
