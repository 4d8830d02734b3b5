// Loaded with `node --require` before aws-lambda-ric: takes the place of its compiled addon, whose whole job is
// four calls to the Runtime API. Everything else of the runtime client stays the real one. On AWS the addon is used.
const http = require('node:http');
const Module = require('node:module');

const PREFIX = '/2018-06-01/runtime/invocation';
const [hostname, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(':');
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

function call(method, path, body, headers) {
  return new Promise((resolve, reject) => {
    const request = http.request(
      { hostname, port, method, path: PREFIX + path, agent, headers },
      (response) => {
        const parts = [];
        response.on('data', (part) => parts.push(part));
        response.on('end', () => {
          resolve({ bodyJson: Buffer.concat(parts).toString('utf8'), headers: response.headers });
        });
      },
    );
    request.on('error', reject);
    request.end(body);
  });
}

// The addon blocks until an answer is posted; here the next call waits for it.
let posted = Promise.resolve();

const client = {
  initializeClient() {},
  async next() {
    await posted;
    return await call('GET', '/next');
  },
  done(id, body) {
    posted = call('POST', `/${id}/response`, body, { 'content-type': 'application/json' });
  },
  error(id, body, cause) {
    posted = call('POST', `/${id}/error`, body, {
      'content-type': 'application/json',
      'lambda-runtime-function-error-type': JSON.parse(body).errorType ?? 'Error',
      'lambda-runtime-function-xray-error-cause': cause,
    });
  },
};

const load = Module._load;
Module._load = function loadOrStandIn(request, ...rest) {
  return request.endsWith('rapid-client.node') ? client : load.call(this, request, ...rest);
};
