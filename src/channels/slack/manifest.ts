// The app's manifest: what Slack asks for when an app is made "from a manifest", with the least rights that the channel needs
// (https://docs.slack.dev/reference/app-manifest, read 2026-11).

const PATH = '/slack';
/** One for all: Slack has its own `/status`, and other apps theirs. */
const COMMAND = '/agent';
const DESCRIPTION = 'An agent that remembers what was said and made in each conversation.';
const SCOPES = [
  ...['app_mentions:read', 'assistant:write', 'chat:write', 'commands'],
  ...['files:read', 'files:write', 'im:history'],
];

/** `address`: where Slack reaches the system, over HTTPS; null for Socket Mode, which needs none. */
export function appManifest(address: string | null): object {
  const url = address === null ? {} : { request_url: requestUrl(address) };
  return {
    display_information: {
      name: 'Agent',
      description: DESCRIPTION,
    },
    features: {
      app_home: {
        home_tab_enabled: false,
        messages_tab_enabled: true,
        messages_tab_read_only_enabled: false,
      },
      assistant_view: { assistant_description: DESCRIPTION },
      slash_commands: [
        {
          command: COMMAND,
          description: 'Start anew, undo, stop, ask what it costs',
          usage_hint: 'help | new | undo | stop | status …',
          // Else people and channels come as names that anybody can have.
          should_escape: true,
          ...(address === null ? {} : { url: requestUrl(address) }),
        },
      ],
      bot_user: { display_name: 'agent', always_online: true },
    },
    oauth_config: {
      scopes: { bot: SCOPES },
    },
    settings: {
      event_subscriptions: { ...url, bot_events: ['app_mention', 'assistant_thread_started', 'message.im'] },
      interactivity: { is_enabled: true, ...url },
      org_deploy_enabled: false,
      socket_mode_enabled: address === null,
      token_rotation_enabled: false,
    },
  };
}

function requestUrl(address: string): string {
  return `${address.replace(/\/+$/, '')}${PATH}`;
}
