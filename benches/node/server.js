// The ancestors in Node: the handlers of `src/apps`, over Express's sessions and over level-session's.
//
// `node server.js express | express-session | node-level-session <directory>` prints its port when it listens;
// `node server.js express-connect-redis <directory> <port of redis-server>` keeps its sessions there.
'use strict'

const express = require('express')

const FIELDS = ['f0', 'f1', 'f2', 'f3', 'f4', 'f5', 'f6', 'f7']
const FIELD_BYTES = 40
const TEXTS = [
  'the quick brown fox jumps over a lazy do',
  "a wizard's job is to vex chumps quickly!",
  'pack my box with five dozen liquor jugs.',
  'sphinx of black quartz, judge my vow now',
  'how vexingly quick daft zebras can jump!'
]
// As many values as the others have, for the same reason: see `workload.rs`.
const VALUES = Array.from({ length: 97 }, (_, n) =>
  String(n).padStart(2, '0') + TEXTS[n % TEXTS.length].slice(2))

const LARGE = 'large value '.repeat(5462).slice(0, 64 * 1024)

let next = 0
function value () {
  const given = VALUES[next]
  next = (next + 1) % VALUES.length
  return given
}

function check (found) {
  if (typeof found !== 'string' || found.length !== FIELD_BYTES) throw new Error('the field is not there')
}

// What each library calls reading and writing a field, as promises where it answers later.
const libraries = {
  express: () => ({}),

  'express-session': () => ({
    middleware: require('express-session')({ secret: 'made up', resave: false, saveUninitialized: false }),
    get: (session, field) => session[field],
    set: (session, field, text) => { session[field] = text }
  }),

  'express-connect-redis': (directory, port) => {
    const { RedisStore } = require('connect-redis')
    const client = require('redis').createClient({ url: `redis://127.0.0.1:${port}` })
    client.connect()
    return {
      middleware: require('express-session')({
        secret: 'made up', resave: false, saveUninitialized: false, store: new RedisStore({ client })
      }),
      get: (session, field) => session[field],
      set: (session, field, text) => { session[field] = text },
      // express-session keeps nothing of a session that it gives another id.
      renew: (req) => new Promise((resolve, reject) => {
        const { cookie, ...fields } = req.session
        req.session.regenerate((error) => {
          if (error) return reject(error)
          Object.assign(req.session, fields)
          resolve()
        })
      })
    }
  },

  'node-level-session': (directory) => ({
    middleware: require('level-session')({ location: directory, keys: ['made up'] }),
    get: (session, field) => new Promise((resolve, reject) =>
      session.get(field, (error, found) => error ? reject(error) : resolve(found))),
    set: (session, field, text) => new Promise((resolve, reject) =>
      session.set(field, text, (error) => error ? reject(error) : resolve()))
  })
}

// express-session warns of its MemoryStore, which is what is measured.
console.warn = () => {}

const [name, directory, redis] = process.argv.slice(2)
const { middleware, get, set, renew } = libraries[name](directory, redis)
const app = express()

if (middleware) {
  app.use(middleware)
  app.get('/ignored', (req, res) => { res.send('ok') })
  app.get('/read-one', async (req, res) => {
    check(await get(req.session, FIELDS[3]))
    res.send('ok')
  })
  app.get('/read-eight', async (req, res) => {
    for (const field of FIELDS) check(await get(req.session, field))
    res.send('ok')
  })
  app.get('/write-one', async (req, res) => {
    await set(req.session, FIELDS[3], value())
    res.send('ok')
  })
  app.get('/new', async (req, res) => {
    for (const field of FIELDS) await set(req.session, field, value())
    res.send('ok')
  })
  app.get('/read-write', async (req, res) => {
    check(await get(req.session, FIELDS[3]))
    await set(req.session, FIELDS[3], value())
    res.send('ok')
  })
  app.get('/sign-in', async (req, res) => {
    await renew(req)
    await set(req.session, FIELDS[0], value())
    res.send('ok')
  })
  app.get('/new-large', async (req, res) => {
    await set(req.session, FIELDS[3], value())
    await set(req.session, 'large', LARGE)
    res.send('ok')
  })
  app.get('/show', async (req, res) => {
    const found = []
    for (const field of FIELDS) found.push(await get(req.session, field))
    res.send(found.join('\n'))
  })
} else {
  for (const path of ['/ignored', '/read-one', '/read-eight', '/write-one', '/new']) {
    app.get(path, (req, res) => { res.send('ok') })
  }
}

const server = app.listen(0, '127.0.0.1', () => { console.log(server.address().port) })
