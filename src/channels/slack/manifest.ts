// The app's manifest: what Slack asks for when an app is made "from a manifest", with the least rights that the channel needs
// (https://docs.slack.dev/reference/app-manifest, read 2026-11).

const PATH = '/slack';
const DESCRIPTION = 'An agent that remembers what was said and made in each conversation.';
const SCOPES = [
  ...['app_mentions:read', 'assistant:write', 'chat:write'],
  ...['files:read', 'files:write', 'im:history'],
];

/** `address`: where Slack reaches the system, over HTTPS; null for Socket Mode, which needs none. */
export function appManifest(address: string | null): object {
  const url = address === null ? {} : { request_url: `${address.replace(/\/+$/, '')}${PATH}` };
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
