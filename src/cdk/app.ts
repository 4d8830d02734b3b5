// The CDK app that `cdk synth` and `cdk deploy` run. HYBRID_SESSIONS_DEPLOYMENT names the settings file; without one
// the app describes a demo installation. Synthesizing needs neither Docker nor an AWS account.
import { App } from 'aws-cdk-lib';
import { readSettings } from './settings.ts';
import { createStack } from './stack.ts';

const app = new App();
createStack(app, readSettings(process.env.HYBRID_SESSIONS_DEPLOYMENT), process.env.HYBRID_SESSIONS_ASSETS);
app.synth();
