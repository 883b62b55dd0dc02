// A person's way to the network: a forward proxy that can be cut, so that also the sockets of
// workers break, which the browser's own emulation of being offline leaves alone. It can answer in the
// server's place, and sees what really leaves the browser.
import { once } from 'node:events'
import { createServer, request } from 'node:http'
import { connect } from 'node:net'

const MOMENT = 120

export class Network {
  #sockets = new Set()
  /** Every connection there ever was, counted up. */
  #numbers = new WeakMap()
  #connections = 0
  #cut = false
  #underWay = 0
  #lastAt = 0
  /** What left the browser: `{ path, headers, connection }`, the last one a number. */
  passed = []
  /** Answers `(path, answer)` in the server's place where it returns `true`. */
  instead = () => false

  static async start() {
    const network = new Network()
    network.server = createServer((incoming, answer) => {
      const { hostname, port, pathname, search } = new URL(incoming.url)
      network.passed.push({ path: pathname, headers: incoming.headers, connection: network.#numbers.get(incoming.socket) })
      network.#underWay += 1
      answer.on('close', () => {
        network.#underWay -= 1
        network.#lastAt = Date.now()
      })
      if (network.instead(pathname, answer)) return incoming.resume()
      const outgoing = request({ hostname, port, path: pathname + search, method: incoming.method, headers: incoming.headers }, (response) => {
        answer.writeHead(response.statusCode, response.rawHeaders)
        response.pipe(answer)
      })
      outgoing.on('error', () => incoming.socket.destroy())
      incoming.pipe(outgoing)
    })
    // WebSockets ask for a tunnel.
    network.server.on('connect', (incoming, socket, head) => {
      const [host, port] = incoming.url.split(':')
      const outgoing = connect(Number(port), host, () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n')
        outgoing.write(head)
        outgoing.pipe(socket).pipe(outgoing)
      })
      for (const end of [socket, outgoing]) end.on('error', () => (socket.destroy(), outgoing.destroy()))
      socket.on('close', () => outgoing.destroy())
    })
    network.server.on('connection', (socket) => {
      if (network.#cut) return socket.destroy()
      network.#connections += 1
      network.#numbers.set(socket, network.#connections)
      network.#sockets.add(socket)
      socket.on('close', () => network.#sockets.delete(socket))
      socket.on('error', () => {})
    })
    network.server.listen(0, '127.0.0.1')
    await once(network.server, 'listening')
    network.port = network.server.address().port
    return network
  }

  /** Waits until nothing was under way for a moment: what the page had to ask for has been answered. */
  async quiet() {
    const since = Date.now()
    while (this.#underWay > 0 || Date.now() - Math.max(since, this.#lastAt) < MOMENT) {
      await new Promise((resolve) => setTimeout(resolve, MOMENT / 4))
    }
  }

  /** Breaks every connection, and refuses new ones until `mend()`. */
  cut() {
    this.#cut = true
    for (const socket of this.#sockets) socket.destroy()
  }

  mend() {
    this.#cut = false
  }

  stop() {
    this.cut()
    this.server.close()
  }
}
