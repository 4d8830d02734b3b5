// What a tenant's settings make of the installation's agents: they narrow and never widen, and what is not there is refused.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { loadAgentFolder, toolsOf } from '../../src/agent/agent-folder.ts';
import { narrowedTools } from '../../src/agent/narrowed-tools.ts';
import { judgeToolCall } from '../../src/agent/tool-policy.ts';
import { folderModelsOf } from '../../src/agent/turn-models.ts';
import { tenantId } from '../../src/core/ids.ts';
import { promise } from '../../src/core/promises.ts';
import { type TenantName, type TenantRecord, tenantSettingsSchema } from '../../src/core/tenants.ts';
import { isListed } from '../../src/host/sandbox/host-pattern.ts';
import { type NetworkSetting, narrowedNetwork } from '../../src/host/sandbox/network-setting.ts';
import { type AgentChoices, AgentNotAvailable, createTenantAgents } from '../../src/tenants/tenant-agent.ts';
import { isAllowed } from '../../src/tool-servers/tool-rules.ts';
import { EXAMPLE } from '../agent/turn-fixture.ts';

const folder = await loadAgentFolder(EXAMPLE);

describe(`${promise('TENANT')} tools`, () => {
  const universe = ['Bash', 'Read', 'Write', 'Agent', 'mcp__a__x', 'mcp__a__y', 'mcp__ab__x', 'mcp__b__x'];
  const entries = [...universe, 'mcp__a', 'mcp__ab', 'mcp__b', 'mcp', 'mcp__', 'NotThere'];
  const list = fc.uniqueArray(fc.constantFrom(...entries));
  const places = { workspace: '/w', readable: [], writable: [] };

  test('are those that folder and tenant both allow and the tenant does not deny: never another one', async () => {
    await fc.assert(
      fc.asyncProperty(list, list, fc.option(list), list, async (own, ask, allow, deny) => {
        const mcpServers = { a: { command: 'x' }, b: { command: 'x' } };
        const agents = { sub: { description: 'x', prompt: 'x', tools: own } };
        const settings = { ...folder.settings, tools: { allow: own, ask } };
        const known = toolsOf(settings);
        const narrowed = narrowedTools({ ...folder, agents, mcpServers, settings }, { allow, deny });
        const rest = narrowed.settings.tools.allow;
        const asked = toolsOf(narrowed.settings);
        for (const tool of universe) {
          const may =
            isAllowed(tool, known) && (allow === null || isAllowed(tool, allow)) && !isAllowed(tool, deny);
          const call = { tool, input: { file_path: '/w/x' }, cwd: '/w' };
          const verdict = await judgeToolCall(call, asked, places, undefined, narrowed.denied);
          expect(verdict.allow, `${tool} of ${own}, asked ${ask}, by ${allow} without ${deny}`).toBe(may);
        }
        for (const tool of rest) expect(isAllowed(tool, own)).toBe(true);
        expect(narrowed.agents.sub?.tools).toEqual(rest);
        for (const name of Object.keys(narrowed.mcpServers)) expect(mcpServers).toHaveProperty(name);
      }),
    );
  });

  test('a server of which nothing is left is not started; one that nobody spoke of stays', () => {
    const mcpServers = { a: { command: 'x' }, b: { command: 'x' }, unused: { command: 'x' } };
    const settings = { ...folder.settings, tools: { allow: ['mcp__a', 'mcp__b__x'] } };
    const serversOf = (allow: string[] | null, deny: string[] = []) =>
      Object.keys(narrowedTools({ ...folder, mcpServers, settings }, { allow, deny }).mcpServers);
    expect(serversOf(['mcp__a__x'])).toEqual(['a', 'unused']);
    expect(serversOf(null, ['mcp__a'])).toEqual(['b', 'unused']);
    expect(serversOf(null)).toEqual(['a', 'b', 'unused']);
  });
});

test(`${promise('TENANT')} the network is what both let through, in every spelling`, () => {
  const hosts = ['example.com', 'api.example.com', 'x.api.example.com', 'other.org', '1.2.3.4', '::1'];
  const patterns = [
    ...hosts,
    '*',
    '*.example.com',
    '*.api.example.com',
    'example.com:443',
    'EXAMPLE.com:8443',
    '*.example.com:443',
    '*:8443',
    '[::1]:80',
    'nonsense//',
  ];
  const setting: fc.Arbitrary<NetworkSetting> = fc.oneof(
    fc.constantFrom<NetworkSetting>('none', 'open'),
    fc.uniqueArray(fc.constantFrom(...patterns)).map((allow) => ({ allow })),
  );
  const reaches = (network: NetworkSetting, host: string, port: number) =>
    network === 'open' || (network !== 'none' && isListed(network.allow, { host, port }));
  fc.assert(
    fc.property(setting, fc.option(setting), (own, by) => {
      const narrowed = narrowedNetwork(own, by);
      for (const host of hosts) {
        for (const port of [80, 443, 8443]) {
          const both = reaches(own, host, port) && (by === null || reaches(by, host, port));
          expect(reaches(narrowed, host, port), `${host}:${port}`).toBe(both);
        }
      }
    }),
    { numRuns: 500 },
  );
});

describe('what a tenant is set to', () => {
  const choices: AgentChoices = {
    own: folderModelsOf({ model: 'claude-sonnet-5', fallbackModel: 'claude-opus-5', others: [] }),
    named: new Map([['support', folderModelsOf({ model: 'claude-haiku-4-5', others: [] })]]),
    models: ['claude-fable-5', 'mythos'],
    served: 'served-model',
    budgets: { turn: { usd: 5, tokens: 9 }, chat: { day: { tokens: 7 } }, tenant: { month: { usd: 3 } } },
    narrowsNetwork: false,
  };
  const agentFor = (settings: object, over: Partial<AgentChoices> = {}) => {
    const record = { settings: tenantSettingsSchema.parse(settings), name: 'acme' as TenantName };
    return createTenantAgents({ ...choices, ...over }, async () => record as TenantRecord)(tenantId('acme'));
  };

  test('is nothing of its own without a record, or where no field says anything', async () => {
    expect(await createTenantAgents(choices, async () => null)(tenantId('acme'))).toBeNull();
    expect(await agentFor({ retentionDays: 3, limits: { sessions: 4 } })).toBeNull();
  });

  test('is a folder by its name, and a model that the installation lets tenants have', async () => {
    expect(await agentFor({ agentFolder: 'support' })).toMatchObject({ name: 'support', model: null });
    for (const model of [
      'claude-fable-5',
      'claude-fable-5-20260801',
      'claude-mythos-2',
      'served-model',
      'claude-opus-5',
    ]) {
      expect(await agentFor({ model }), model).toMatchObject({ model });
    }
    expect(await agentFor({ agentFolder: 'support', model: 'claude-haiku-4-5' })).toMatchObject({
      name: 'support',
    });
    for (const wrong of [
      { agentFolder: 'none' },
      { agentFolder: 'constructor' },
      { model: 'claude-most-expensive' },
      { model: 'claude-haiku-4-5' },
      { model: 'claude-fable-5-thinking' },
    ]) {
      await expect(agentFor(wrong), JSON.stringify(wrong)).rejects.toBeInstanceOf(AgentNotAvailable);
    }
  });

  test('is refused where the network cannot be narrowed for one tenant', async () => {
    for (const network of ['none', { allow: ['example.com'] }]) {
      await expect(agentFor({ network })).rejects.toBeInstanceOf(AgentNotAvailable);
      expect(await agentFor({ network }, { narrowsNetwork: true })).toMatchObject({ network });
    }
    expect(await agentFor({ network: 'open' })).toMatchObject({ network: 'open' });
  });

  test('its budgets count instead of the installation’s, field by field', async () => {
    const limits = { budgetUsd: { turn: 1, chat: { month: 2 }, tenant: { month: 0 } }, workspaceBytes: 5 };
    const agent = await agentFor({ limits });
    expect(agent?.budgets).toEqual({
      turn: { usd: 1 },
      chat: { day: { tokens: 7 }, month: { usd: 2 } },
      tenant: { month: { usd: 0 } },
    });
    expect(agent?.maxWorkspaceBytes).toBe(5);
    expect((await agentFor({ agentFolder: 'support' }))?.budgets).toEqual(choices.budgets);
  });
});
