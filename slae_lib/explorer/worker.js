// What computes on the static page: the generator as ONNX, in a worker, so that the hand that paints
// never waits. It answers with the same arrays as the kernel does in a notebook (`seen` in stage.py).

const FOLDER = new URL("./ort/", import.meta.url).href;
const SEEN_SIDE = 32; // px of a feature map on the stage at most
let about, bank, session, ort; // bank: standardised metadata, one row of numbers for each picture
let plain = { key: "", outputs: null }; // what the generator makes by itself, of the last input

const key = (link) => link.replace("->", "_");

/** Fetch a file, or say in a sentence that it has not arrived. */
async function fetched(url) {
  let answer;
  try {
    answer = await fetch(url);
  } catch {
    answer = { ok: false, status: "no connection" };
  }
  if (!answer.ok) throw new Error(`${new URL(url).pathname.split("/").slice(-2).join("/")} did not arrive (${answer.status}); load the page again.`);
  return answer.arrayBuffer();
}

/** Open the runtime, as WASM on one thread, and the model. */
async function open(folder) {
  const files = [fetched(`${folder}generator.onnx`)];
  if (about.metadata) files.push(fetched(`${folder}metadata.bin`));
  const [model, rows] = await Promise.all(files);
  bank = rows && new Float32Array(rows);
  try {
    ort = await import(`${FOLDER}ort.wasm.min.mjs`);
    ort.env.wasm.wasmPaths = FOLDER;
    ort.env.wasm.numThreads = 1; // more would need headers that a plain server does not send
    session = await ort.InferenceSession.create(model, { executionProviders: ["wasm"], graphOptimizationLevel: "all" });
  } catch (problem) {
    throw new Error(`The generator could not be opened (${String(problem.message ?? problem).slice(0, 120)}); load the page again, or try a newer browser.`);
  }
}

// ------------------------------------------------------------------------------------------------
// The inputs, the same numbers as in Python

/** 32 random bits after another, as PyTorch draws them on the CPU: the Mersenne Twister MT19937. */
function* twister(seed) {
  const state = new Uint32Array(624);
  state[0] = seed;
  for (let i = 1; i < 624; i++) {
    const before = state[i - 1] ^ (state[i - 1] >>> 30);
    state[i] = Math.imul(1812433253, before) + i;
  }
  for (;;) {
    for (let i = 0; i < 624; i++) {
      const joined = (state[i] & 0x80000000) | (state[(i + 1) % 624] & 0x7fffffff);
      state[i] = state[(i + 397) % 624] ^ (joined >>> 1) ^ (joined & 1 ? 0x9908b0df : 0);
    }
    for (let bits of state) {
      bits ^= bits >>> 11;
      bits ^= (bits << 7) & 0x9d2c5680;
      bits ^= (bits << 15) & 0xefc60000;
      yield (bits ^ (bits >>> 18)) >>> 0;
    }
  }
}

/** The noise of a seed: `torch.randn(count)` after `manual_seed(seed)`, for a multiple of 16. */
function seededNoise(seed, count) {
  const bits = twister(seed);
  const noise = new Float32Array(count);
  for (let i = 0; i < count; i++) noise[i] = (bits.next().value & 0xffffff) / 2 ** 24; // uniform in [0, 1)
  for (let start = 0; start < count; start += 16) { // Box and Muller: two uniform make two normal numbers
    for (let i = start; i < start + 8; i++) {
      const radius = Math.sqrt(-2 * Math.log(1 - noise[i]));
      const angle = 2 * Math.PI * noise[i + 8];
      noise[i] = radius * Math.cos(angle);
      noise[i + 8] = radius * Math.sin(angle);
    }
  }
  return noise;
}

/** Two noises mixed so that every number has deviation 1 again (`noise_of` in scene.py). */
function noiseOf(view) {
  const first = seededNoise(view.seed, about.noise_dim);
  if (!view.mix) return first;
  const second = seededNoise(view.second_seed, about.noise_dim);
  const length = Math.hypot(1 - view.mix, view.mix);
  return first.map((value, i) => ((1 - view.mix) * value + view.mix * second[i]) / length);
}

function metadataOf(view) {
  const width = bank.length / about.pictures.length;
  const row = (name) => {
    const index = about.pictures.findIndex((face) => face.name === name);
    return index < 0 ? new Float32Array(width) : bank.subarray(index * width, (index + 1) * width);
  };
  const [first, second, mix] = [row(view.picture), row(view.second_picture), view.picture_mix];
  return mix ? first.map((value, i) => (1 - mix) * value + mix * second[i]) : first;
}

// ------------------------------------------------------------------------------------------------
// One view

const tensor = (data, ...shape) => new ort.Tensor("float32", data, shape);

/** Everything the model takes; a number that is not given is NaN, and the link's own stays. */
function inputs(view, painted, gates) {
  const fed = { noise: tensor(noiseOf(view), 1, about.noise_dim) };
  if (about.metadata) fed.metadata = tensor(metadataOf(view), 1, bank.length / about.pictures.length);
  for (const { name, low, channels } of about.links) {
    if (about.attention) {
      const map = painted[name]?.map((value) => value ?? NaN);
      fed[`given_attention_${key(name)}`] = tensor(Float32Array.from(map ?? Array(low * low).fill(NaN)), 1, 1, low, low);
    }
    const given = new Float32Array(channels).fill(NaN);
    for (const [channel, value] of Object.entries(gates[name] ?? {})) given[channel] = value;
    fed[`given_gates_${key(name)}`] = tensor(given, 1, channels, 1, 1);
  }
  return fed;
}

/** Mean over squares of a map, so that it has no more than 32 rows. */
function smaller(data, channels, side) {
  const factor = Math.max(1, side / SEEN_SIDE);
  if (factor === 1) return [data, side];
  const small = side / factor;
  const means = new Float32Array(channels * small * small);
  for (let i = 0; i < data.length; i++) {
    const [channel, row, column] = [Math.floor(i / side / side), Math.floor(i / side) % side, i % side];
    means[(channel * small + Math.floor(row / factor)) * small + Math.floor(column / factor)] += data[i] / factor ** 2;
  }
  return [means, small];
}

/** An image from rows of each colour in [-1, 1] to bytes of each pixel, rounded as in Python. */
function pixels(data) {
  const area = data.length / 3;
  const bytes = new Uint8ClampedArray(data.length); // rounds to the nearest and holds to 0..255
  for (let i = 0; i < data.length; i++) bytes[3 * (i % area) + Math.floor(i / area)] = (data[i] + 1) * 127.5;
  return new Uint8Array(bytes.buffer);
}

async function run(view, painted, gates) {
  const wanted = session.outputNames.filter((name) => !name.startsWith("before_") || name === `before_${key(view.link)}`);
  const outputs = await session.run(inputs(view, painted, gates), wanted);
  return Object.fromEntries(Object.entries(outputs).map(([name, { data, dims }]) => {
    if (name === "image") return [name, { shape: [dims[2], dims[3], 3], data: pixels(data) }];
    const [small, side] = smaller(data, dims[1], dims[3]);
    return [name, { shape: [dims[1], dims[2] > 1 ? side : 1, side], data: small }];
  }));
}

async function generate(view) {
  const { painted, gates, ...rest } = view;
  const wanted = JSON.stringify(rest);
  if (plain.key !== wanted) plain = { key: wanted, outputs: await run(view, {}, {}) };
  const changed = Object.keys(painted).length || Object.keys(gates).length;
  const after = changed ? await run(view, painted, gates) : plain.outputs;
  const arrays = {};
  for (const [when, outputs] of [["before", plain.outputs], ["after", after]]) {
    for (const [name, array] of Object.entries(outputs)) arrays[`${when}/${name}`] = array;
  }
  return arrays;
}

let ready;
self.onmessage = async ({ data }) => {
  try {
    if (data.open) {
      about = data.about;
      ready = open(data.open);
      ready.catch(() => {}); // said to whoever asks for a view
    } else {
      await ready;
      self.postMessage({ id: data.id, arrays: await generate(data.view) });
    }
  } catch (problem) {
    self.postMessage({ id: data.id, error: problem.message });
  }
};
