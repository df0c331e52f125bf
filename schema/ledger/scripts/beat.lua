-- Leave a sign of life in this server's memory, and tell what is left of earlier ones: so lost writes are seen.
-- KEYS: mark, beat
-- ARGV: a random word, which becomes the mark where there is none
-- Returns the mark, the server's run id, the number of this beat, of the one before, the time of the one before, now;
-- in Unix ms of this server
redis.call('SET', KEYS[1], ARGV[1], 'NX')
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') or ''
local time = redis.call('TIME')
local now = string.format('%.0f', tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000))
local before = redis.call('HGET', KEYS[2], 'at')
local number = redis.call('HINCRBY', KEYS[2], 'n', 1)
redis.call('HSET', KEYS[2], 'at', now)
return {redis.call('GET', KEYS[1]), run, number, number - 1, tonumber(before or '0'), tonumber(now)}
