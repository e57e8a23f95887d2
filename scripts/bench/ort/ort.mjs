// ort.mjs MODEL.onnx arena|malloc runs ONNX Runtime on one thread. It answers each line of standard input, a duration such as 250ms, with
// one line of JSON: the milliseconds of each forward, and CPU time. `yfv2d bench-worker` answers the same way.
import { createInterface } from 'node:readline'
import { createRequire } from 'node:module'
import * as ort from 'onnxruntime-node'

const side = 352
const version = createRequire(import.meta.url)('onnxruntime-node/package.json').version

const session = await ort.InferenceSession.create(process.argv[2], {
  executionProviders: ['cpu'],
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  executionMode: 'sequential',
  graphOptimizationLevel: 'all',
  // Its own arena is the default. Where the arena's memory happens to lie makes a forward of this network up to 1.4 times as
  // long, for a whole process; with malloc it is more even. Both are measured, and the better one counts.
  enableCpuMemArena: process.argv[3] !== 'malloc',
})

// The same noise as anywhere: Numerical Recipes' generator.
const pixels = new Float32Array(3 * side * side)
let v = 1
for (let i = 0; i < pixels.length; i++) {
  v = (Math.imul(v, 1664525) + 1013904223) >>> 0
  pixels[i] = (v >>> 24) / 255
}
const feeds = { [session.inputNames[0]]: new ort.Tensor('float32', pixels, [1, 3, side, side]) }

async function forward() {
  const start = process.hrtime.bigint()
  const out = await session.run(feeds)
  const ms = Number(process.hrtime.bigint() - start) / 1e6
  return [ms, out[session.outputNames[0]].data]
}

// The first runs make the session's memory plan; the sum lets the caller see that two graphs are the same network.
let data
for (let i = 0; i < 10; i++) [, data] = await forward()
console.log(JSON.stringify({ version, sum: data.reduce((a, b) => a + Math.abs(b), 0), values: data.length }))

for await (const line of createInterface({ input: process.stdin })) {
  const span = parseFloat(line)
  const forwards = []
  const start = performance.now()
  const before = process.cpuUsage()
  do {
    const [ms] = await forward()
    forwards.push(ms)
  } while (performance.now() - start < span)
  const used = process.cpuUsage(before) // microseconds, of all threads
  console.log(JSON.stringify({ forwards, cpu_ms: (used.user + used.system) / 1000 }))
}
