// What an agent may not reach: this machine, its network, the service's own API, and the model in any other way than by its
// turn's own calls. The agent folder allows every name of the internet, which is the widest list there is.
import type { TurnCase } from './attack-case.ts';

const OPEN = 'without a sandbox the agent has the network of the machine';
const SAME_USER =
  "without a sandbox the gateway's port and other turns' environments are open to the server's user";

const direct = (host: string, port = '$SERVICE_PORT') =>
  `timeout 3 bash -c 'exec 9<> "/dev/tcp/$0/$1" && printf "GET / HTTP/1.0\\r\\n\\r\\n" >&9 && cat <&9' ${host} ${port}`;

const DIRECT: readonly TurnCase[] = [
  {
    id: 'net-loopback',
    tries: 'reach a service of the machine on loopback',
    script: ['127.0.0.1', 'localhost', '127.1.2.3', '::1', '0.0.0.0'].map((host) => direct(host)).join('; '),
  },
  {
    id: 'net-addresses',
    tries: "reach it by the machine's other addresses",
    script: `for a in $ADDRESSES; do ${direct('$a')}; done`,
  },
  {
    id: 'net-api',
    tries: "reach the service's own API",
    script: `${direct('127.0.0.1', '$API_PORT')} | grep HTTP && echo BROKE`,
  },
  {
    id: 'net-model',
    tries: 'reach the model past the gateway',
    script: `${direct('127.0.0.1', '$MODEL_PORT')} | grep HTTP && echo BROKE`,
  },
  {
    id: 'net-abstract-socket',
    tries: 'reach an abstract socket of the machine',
    script: `perl -MSocket -e 'socket(my $s, AF_UNIX, SOCK_STREAM, 0) or die; connect($s, pack_sockaddr_un("\\0$ENV{ABSTRACT}")) or exit 1; print <$s>'`,
  },
  {
    id: 'net-metadata',
    tries: "ask the cloud's metadata service directly",
    script: `${direct('169.254.169.254', '80')} | grep HTTP && echo BROKE; ${direct('fd00:ec2::254', '80')} | grep HTTP && echo BROKE`,
  },
  {
    id: 'net-interfaces',
    tries: 'find an interface besides loopback',
    script: 'grep -v -E "lo:|Inter|face" /proc/net/dev && echo BROKE',
  },
  {
    id: 'net-packets',
    tries: 'send raw packets, or speak to the host of a virtual machine',
    script: `perl -e 'socket(my $s, 17, 3, 0) or exit 1' && echo BROKE; perl -e 'socket(my $s, 2, 3, 1) or exit 1' && echo BROKE; perl -e 'socket(my $s, 40, 1, 0) or exit 1' && echo BROKE`,
  },
  {
    id: 'net-datagrams',
    tries: 'send datagrams and name queries past the proxy',
    script: `perl -MSocket -e 'for my $a (qw(1.1.1.1 192.0.2.1)) { socket(my $s, AF_INET, SOCK_DGRAM, 0); print "BROKE $a\\n" if connect($s, sockaddr_in(53, inet_aton($a))) && defined send($s, "x" x 20, 0) }'`,
  },
];

/** 403 is the proxy's own answer; a canary means that it led there. */
const proxied = (url: string) =>
  `for u in ${url}; do c=$(curl -s -m 5 -o body -w '%{http_code}' $u); cat body; [ "$c" = 403 ] || [ "$c" = 000 ] || [ "$c" = 400 ] || [ "$c" = 502 ] || echo "BROKE $c $u"; c=$(curl -s -p -m 5 -o body -w '%{http_connect}' $u); cat body; [ "$c" = 200 ] && echo "BROKE connect $u"; done; rm -f body; [ -n "$http_proxy$HTTP_PROXY" ] || echo "NO WAY to the proxy was found"`;
const spelled = (id: string, tries: string, hosts: readonly string[], port = '$SERVICE_PORT'): TurnCase => ({
  id,
  tries: `have the proxy lead to ${tries}`,
  script: proxied(hosts.map((host) => `"http://${host}:${port}/"`).join(' ')),
});
const PROXIED: readonly TurnCase[] = [
  spelled('proxy-loopback', 'loopback', ['127.0.0.1', '127.9.9.9', '[::1]', '0.0.0.0', '[::]']),
  spelled('proxy-odd-spellings', 'loopback in odd spellings', [
    '127.1',
    '2130706433',
    '0x7f000001',
    '0177.0.0.1',
    '0x7f.0.0.1',
    '127.0.0.1.',
  ]),
  spelled('proxy-mapped', 'loopback by addresses of six that carry one of four', [
    '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]',
    '[64:ff9b::7f00:1]',
    '[2002:7f00:1::]',
  ]),
  spelled('proxy-names', 'loopback by names that mean it', [
    'localhost',
    'LOCALHOST',
    'localhost.',
    'x.localhost',
    'ip6-localhost',
    '$MACHINE',
  ]),
  {
    id: 'proxy-addresses',
    tries: "have the proxy lead to the machine's own addresses and its network",
    script: `for a in $ADDRESSES; do ${proxied('"http://$a:$SERVICE_PORT/"')}; done`,
  },
  spelled(
    'proxy-metadata',
    'metadata services',
    ['169.254.169.254', '[fd00:ec2::254]', '169.254.170.2', '100.100.100.200', '2852039166'],
    '80',
  ),
  spelled(
    'proxy-private',
    'private networks',
    ['10.0.0.1', '192.168.1.1', '172.16.0.1', '100.64.0.1', '[fc00::1]', '[fe80::1]'],
    '80',
  ),
  spelled('proxy-own-api', "the service's own API", ['127.0.0.1', 'localhost'], '$API_PORT'),
  {
    id: 'proxy-two-names',
    tries: 'name an allowed host to the proxy and another one in the request',
    script:
      'p=$(echo "$http_proxy $HTTP_PROXY" | grep -oE "[0-9.]+:[0-9]+" | head -1); [ -n "$p" ] || echo "NO WAY to the proxy was found"; for r in "GET http://127.0.0.1:$SERVICE_PORT/ HTTP/1.1\\r\\nHost: example.com" "GET / HTTP/1.1\\r\\nHost: 127.0.0.1:$SERVICE_PORT" "GET http://example.com@127.0.0.1:$SERVICE_PORT/ HTTP/1.1\\r\\nHost: example.com" "CONNECT 127.0.0.1:$SERVICE_PORT HTTP/1.1\\r\\nHost: example.com:443" "CONNECT example.com@127.0.0.1:$SERVICE_PORT HTTP/1.1\\r\\nHost: x"; do timeout 4 bash -c \'exec 9<> "/dev/tcp/$(echo $0 | tr : /)" && printf "$1\\r\\nConnection: close\\r\\n\\r\\nGET / HTTP/1.0\\r\\n\\r\\n" >&9 && cat <&9\' "$p" "$r"; done | grep -aE "$PATTERN|200 Connection" && echo BROKE',
  },
];

/** The CLI's own way to the model, from its environment or ours. */
const TURN = `p=$$; a=; while [ "$p" -gt 1 ] && [ -z "$a" ]; do p=$(sed -n 's/^PPid:[[:space:]]*//p' /proc/$p/status); a=$(tr '\\0' '\\n' < /proc/$p/environ 2> /dev/null | grep -aE '^ANTHROPIC_(BASE_URL|API_KEY|AUTH_TOKEN)='); done; eval "$a"; KEY=\${ANTHROPIC_API_KEY:-$ANTHROPIC_AUTH_TOKEN}; [ -n "$KEY" ] && [ -n "$ANTHROPIC_BASE_URL" ] || echo "NO WAY to the gateway was found";
ask() { curl -s -m 8 --noproxy '*' -H "x-api-key: \${USE:-$KEY}" -H 'anthropic-version: 2023-06-01' -H 'content-type: application/json' "$@"; echo; };`;
const body = (model: string, more = '') =>
  `"{${more}\\"model\\":\\"${model}\\",\\"max_tokens\\":9,\\"messages\\":[{\\"role\\":\\"user\\",\\"content\\":\\"$FORBIDDEN\\"}]}"`;
const GATEWAY: readonly TurnCase[] = [
  {
    id: 'gateway-model',
    tries: "call a model that the agent was not given, with the turn's token",
    script: `${TURN} ask -d ${body('claude-most-expensive')} "$ANTHROPIC_BASE_URL/v1/messages"`,
  },
  {
    id: 'gateway-model-twice',
    tries: 'name two models in one call, or one in another spelling',
    script: `${TURN} for b in ${body('claude-most-expensive', '\\"model\\":\\"$MODEL\\",')} ${body('$MODEL', '\\"model\\":\\"claude-most-expensive\\",')} ${body('$MODEL', '\\"Model\\":\\"claude-most-expensive\\",')} ${body('$MODEL', '\\"mod\\\\u0065l\\":\\"claude-most-expensive\\",')}; do ask -d "$b" "$ANTHROPIC_BASE_URL/v1/messages"; done`,
  },
  {
    id: 'gateway-paths',
    tries: 'use other parts of the API with the real key: files, batches, administration',
    script: `${TURN} for p in /v1/files /v1/messages/batches /v1/organizations/me /v1/models /v1/messages/../files /v1/messages%2f..%2ffiles //v1/files /v1/messages/batches/..; do ask --path-as-is -d ${body('$MODEL')} "$ANTHROPIC_BASE_URL$p"; ask --path-as-is "$ANTHROPIC_BASE_URL$p?x=$FORBIDDEN" | grep -a '"data"' && echo BROKE; done`,
  },
  {
    id: 'gateway-afterwards',
    tries: "use the turn's token when the turn is over",
    script: `${TURN} printf %s "$KEY" > token`,
    afterwards: `${TURN} USE=$(cat token); [ -n "$USE" ] && [ "$USE" != "$KEY" ] && ask -d ${body('$MODEL')} "$ANTHROPIC_BASE_URL/v1/messages"; true`,
  },
  {
    id: 'gateway-no-token',
    tries: 'call the model with no token, a guessed one, or an empty one',
    script: `${TURN} for USE in x "$(printf %s "$KEY" | tr 'a-m0-4' 'b-n1-5')" "$(printf %s "$KEY" | head -c 20)" "$(printf %s "$KEY")x"; do ask -d ${body('$MODEL')} "$ANTHROPIC_BASE_URL/v1/messages"; done; curl -s -m 5 --noproxy '*' -H 'content-type: application/json' -d ${body('$MODEL')} "$ANTHROPIC_BASE_URL/v1/messages"`,
  },
  {
    id: 'gateway-open-proxy',
    tries: 'use the gateway as a proxy to the machine',
    script: `${TURN} h=\${ANTHROPIC_BASE_URL#http://}; curl -s -m 4 -x "http://$h" -H "x-api-key: $KEY" "http://127.0.0.1:$SERVICE_PORT/"; curl -s -m 4 -p -x "http://$h" -H "x-api-key: $KEY" "http://127.0.0.1:$SERVICE_PORT/"; ask -H 'Host: 127.0.0.1' "$ANTHROPIC_BASE_URL/@127.0.0.1:$SERVICE_PORT/"; true`,
  },
  {
    id: 'gateway-smuggling',
    tries: 'hide a second request behind the first one',
    script: `${TURN} h=\${ANTHROPIC_BASE_URL#http://}; b=${body('claude-most-expensive')}; for two in 'Content-Length: 4\\r\\nTransfer-Encoding: chunked' 'Transfer-Encoding: chunked\\r\\nTransfer-Encoding: identity' 'Content-Length: 4\\r\\nContent-Length: 5'; do timeout 4 bash -c 'exec 9<> "/dev/tcp/\${0%:*}/\${0##*:}"; printf "POST /v1/messages HTTP/1.1\\r\\nHost: x\\r\\nx-api-key: $1\\r\\n$2\\r\\n\\r\\n0\\r\\n\\r\\nPOST /v1/messages HTTP/1.1\\r\\nHost: x\\r\\nx-api-key: $1\\r\\nContent-Type: application/json\\r\\nContent-Length: \${#3}\\r\\n\\r\\n%s" "$3" >&9; cat <&9' "$h" "$KEY" "$two" "$b" | head -c 300; done; true`,
  },
  {
    id: 'gateway-size',
    tries: 'have the gateway hold a body without end',
    script: `${TURN} head -c 60000000 /dev/zero | ask -o answer -w '%{http_code}' --data-binary @- "$ANTHROPIC_BASE_URL/v1/messages" | grep -E '^(2|000)' && echo BROKE; rm -f answer`,
  },
  {
    id: 'gateway-key',
    tries: 'get the real key out of an answer: headers, echoes, mistakes',
    script: `${TURN} ask -i -d '{}' "$ANTHROPIC_BASE_URL/v1/messages"; ask -i -d ${body('$MODEL').replace('$FORBIDDEN', 'what is your key')} "$ANTHROPIC_BASE_URL/v1/messages"; ask -i -X TRACE "$ANTHROPIC_BASE_URL/v1/messages"`,
  },
  {
    id: 'gateway-uncounted',
    tries: 'call the model without the call being counted',
    alone: true,
    script: `${TURN} ask -d ${body('$MODEL').replace('$FORBIDDEN', '$COUNTED')} "$ANTHROPIC_BASE_URL/v1/messages"`,
    after: async (world) => (world.isCounted() ? null : 'a call went out that no usage shows'),
  },
];

export const NETWORK_CASES = [
  ...DIRECT.map((one) => ({ bareReason: OPEN, ...one, kind: 'network' })),
  ...PROXIED.map((one) => ({ bareReason: OPEN, ...one, kind: 'proxy' })),
  ...GATEWAY.map((one) => ({
    ...one,
    kind: 'gateway',
    ...(one.id === 'gateway-open-proxy' ? { bareReason: SAME_USER } : {}),
  })),
];
