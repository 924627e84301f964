/**
 * The least that a load can meet: answers CONNECT with CONNACK, PUBLISH QoS 1 with PUBACK, PINGREQ with PINGRESP, and does
 * nothing else. As many processes share one port as are needed for the descriptors.
 */
import cluster from 'node:cluster'
import { createServer, type Socket } from 'node:net'
import { PacketReader } from '#simulator/load/packet-reader'
import { connack, PACKET, PINGRESP, puback } from '#simulator/load/packets'
import { answerQuestions } from './child-process.ts'

const [workerCount = '1'] = process.argv.slice(2)

function answer(socket: Socket): void {
  const reader = new PacketReader()
  socket.on('error', () => {})
  socket.on('data', (chunk: Buffer) => {
    const answers: Buffer[] = []
    reader.take(chunk, (bytes, at, bodyAt) => {
      const kind = bytes.readUInt8(at) >> 4
      if (kind === PACKET.connect) answers.push(connack(0))
      else if (kind === PACKET.pingreq) answers.push(PINGRESP)
      else if (kind === PACKET.publish)
        answers.push(puback(bytes.readUInt16BE(bodyAt + 2 + bytes.readUInt16BE(bodyAt))))
    })
    const [first] = answers
    if (first !== undefined) socket.write(answers.length === 1 ? first : Buffer.concat(answers))
  })
}

if (cluster.isPrimary) {
  // One after the other: every process gets as many connections as the others.
  cluster.schedulingPolicy = cluster.SCHED_RR
  const workers = Array.from({ length: Number(workerCount) }, () => cluster.fork())
  const ports = workers.map(
    (worker) => new Promise<number>((resolve) => worker.once('listening', ({ port }) => resolve(port))),
  )
  answerQuestions(
    async () => {
      const [port] = await Promise.all(ports)
      return { port, pids: workers.map((worker) => worker.process.pid) }
    },
    async () => {
      for (const worker of workers) worker.process.kill('SIGKILL')
    },
  )
} else createServer({ noDelay: true }, answer).listen(0, '127.0.0.1')
