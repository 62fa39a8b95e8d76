-- The filter in Lua, as one would write it: the whole body, decoded by a pure Lua JSON library, edited, encoded. The library
-- is small and plain: a pattern for what a string has without escapes, and a table for each object with the order of its names.
local escapes = {['"'] = '"', ['\\'] = '\\', ['/'] = '/', b = '\b', f = '\f', n = '\n', r = '\r', t = '\t'}
local char, concat, find, sub, byte = string.char, table.concat, string.find, string.sub, string.byte

local function utf8(code)
  if code < 0x80 then return char(code) end
  if code < 0x800 then return char(0xC0 + math.floor(code / 64), 0x80 + code % 64) end
  if code < 0x10000 then
    return char(0xE0 + math.floor(code / 4096), 0x80 + math.floor(code / 64) % 64, 0x80 + code % 64)
  end
  return char(0xF0 + math.floor(code / 262144), 0x80 + math.floor(code / 4096) % 64,
    0x80 + math.floor(code / 64) % 64, 0x80 + code % 64)
end

local function text(json, at)
  local stop = find(json, '["\\]', at)
  if stop and byte(json, stop) == 34 then return sub(json, at, stop - 1), stop + 1 end
  local parts = {}
  while stop do
    parts[#parts + 1] = sub(json, at, stop - 1)
    if byte(json, stop) == 34 then return concat(parts), stop + 1 end
    local letter = sub(json, stop + 1, stop + 1)
    if letter == 'u' then
      local code = tonumber(sub(json, stop + 2, stop + 5), 16)
      at = stop + 6
      if code >= 0xD800 and code < 0xDC00 then
        code = 0x10000 + (code - 0xD800) * 1024 + tonumber(sub(json, at + 2, at + 5), 16) - 0xDC00
        at = at + 6
      end
      parts[#parts + 1] = utf8(code)
    else
      parts[#parts + 1] = escapes[letter]
      at = stop + 2
    end
    stop = find(json, '["\\]', at)
  end
  error('a string that does not end')
end

local function past(json, at) return find(json, '[^ \t\r\n]', at) end

local decode
local NULL = {}
local function object(json, at)
  local names, members = {}, {}
  at = past(json, at)
  if byte(json, at) == 125 then return {kind = 'object', names = names, members = members}, at + 1 end
  while true do
    local name
    name, at = text(json, at + 1)
    at = past(json, past(json, at) + 1)
    names[#names + 1] = name
    members[name], at = decode(json, at)
    at = past(json, at)
    if byte(json, at) == 125 then return {kind = 'object', names = names, members = members}, at + 1 end
    at = past(json, at + 1)
  end
end

local function array(json, at)
  local elements = {}
  at = past(json, at)
  if byte(json, at) == 93 then return {kind = 'array', elements = elements}, at + 1 end
  while true do
    elements[#elements + 1], at = decode(json, at)
    at = past(json, at)
    if byte(json, at) == 93 then return {kind = 'array', elements = elements}, at + 1 end
    at = past(json, at + 1)
  end
end

decode = function(json, at)
  local first = byte(json, at)
  if first == 123 then return object(json, at + 1) end
  if first == 91 then return array(json, at + 1) end
  if first == 34 then return text(json, at + 1) end
  if first == 116 then return true, at + 4 end
  if first == 102 then return false, at + 5 end
  if first == 110 then return NULL, at + 4 end
  local _, stop = find(json, '^-?[%d.eE+-]+', at)
  return {kind = 'number', text = sub(json, at, stop)}, stop + 1
end

local function quoted(letter)
  if letter == '"' or letter == '\\' then return '\\' .. letter end
  return string.format('\\u%04x', byte(letter))
end

local function encode(value, out)
  if value == NULL then out[#out + 1] = 'null'
  elseif type(value) == 'string' then
    if find(value, '[%c"\\]') then value = value:gsub('[%c"\\]', quoted) end
    out[#out + 1] = '"' .. value .. '"'
  elseif type(value) == 'boolean' then out[#out + 1] = tostring(value)
  elseif value.kind == 'number' then out[#out + 1] = value.text
  elseif value.kind == 'array' then
    out[#out + 1] = '['
    for at, element in ipairs(value.elements) do
      if at > 1 then out[#out + 1] = ',' end
      encode(element, out)
    end
    out[#out + 1] = ']'
  else
    out[#out + 1] = '{'
    local first = true
    for _, name in ipairs(value.names) do
      local member = value.members[name]
      if member ~= nil then
        if not first then out[#out + 1] = ',' end
        first = false
        encode(name, out)
        out[#out + 1] = ':'
        encode(member, out)
      end
    end
    out[#out + 1] = '}'
  end
end

-- What is kept: true for a value, a table for what is in it. Arrays are gone through.
local kept = {
  next = true,
  items = {
    id = true, status = true, email = 'mask',
    name = {family = true},
    billingAddress = {country = true},
    lines = {msisdn = true, plan = {name = true}},
    balance = {amount = true, currency = true},
    characteristics = {name = true},
  },
}

local function edit(value, rule)
  if type(value) == 'table' and value.kind == 'array' then
    for _, element in ipairs(value.elements) do edit(element, rule) end
  elseif type(value) == 'table' and value.kind == 'object' and type(rule) == 'table' then
    for _, name in ipairs(value.names) do
      local within = rule[name]
      if within == nil then value.members[name] = nil
      elseif within == 'mask' then
        local letter, domain = value.members[name]:match('^([%z\1-\127\194-\244][\128-\191]*)[^@]*@(.*)$')
        value.members[name] = letter and (letter .. '***@' .. domain) or ''
      elseif type(within) == 'table' then edit(value.members[name], within) end
    end
  end
end

function envoy_on_response(handle)
  local body = handle:body()
  local json = body:getBytes(0, body:length())
  local value = decode(json, past(json, 1))
  edit(value, kept)
  local out = {}
  encode(value, out)
  body:setBytes(concat(out))
end
