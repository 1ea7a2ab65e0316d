-- A wrk script: sends the bodies of a file in turn, and prints what came of them as one line of JSON.
-- `wrk -s requests.lua URL -- BODIES FIRST`: one body a line; a run of # in a body becomes a serial number, from FIRST
-- on, so that no two bodies are the same.
local heads, tails, patterns = {}, {}, {}
local turn, serial = 0, 0

function init(args)
  serial = tonumber(args[2])
  local headers = {["Content-Type"] = "application/json"}
  for body in io.lines(args[1]) do
    local request = wrk.format("POST", nil, headers, body)
    local first, last = request:find("#+")
    heads[#heads + 1] = first and request:sub(1, first - 1) or request
    tails[#heads] = first and request:sub(last + 1) or ""
    patterns[#heads] = first and ("%0" .. (last - first + 1) .. "d") or false
  end
end

function request()
  turn = turn % #heads + 1
  local pattern = patterns[turn]
  if not pattern then return heads[turn] end
  serial = serial + 1
  return heads[turn] .. pattern:format(serial) .. tails[turn]
end

function done(summary, latency, _)
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests": %d, "seconds": %.6f, "p50_us": %d, "p99_us": %d, "max_us": %d, "refused": %d, "broken": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99), latency.max,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
