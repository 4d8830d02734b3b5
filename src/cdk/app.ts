// The ready app: `cdk synth` and `cdk deploy` run it. HYBRID_SESSIONS_DEPLOYMENT names the settings file; without
// one a demo installation is described. Needs neither Docker nor an account to synthesize.
import { App } from 'aws-cdk-lib';
import { readSettings } from './settings.ts';
import { createStack } from './stack.ts';

const app = new App();
createStack(app, readSettings(process.env.HYBRID_SESSIONS_DEPLOYMENT), process.env.HYBRID_SESSIONS_ASSETS);
app.synth();
