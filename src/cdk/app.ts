// The CDK app that `cdk synth` and `cdk deploy` run. HYBRID_SESSIONS_DEPLOYMENT names the settings file; without one
// the app describes a demo installation. Synthesizing needs neither Docker nor an AWS account.
import { App } from 'aws-cdk-lib';
import { readSettings } from './settings.ts';
import { createStack } from './stack.ts';

const app = new App();
const { HYBRID_SESSIONS_DEPLOYMENT, HYBRID_SESSIONS_ALARM_EMAIL, HYBRID_SESSIONS_ASSETS } = process.env;
const settings = readSettings(HYBRID_SESSIONS_DEPLOYMENT);
const alarmEmail = HYBRID_SESSIONS_ALARM_EMAIL || settings.alarmEmail;
createStack(app, { ...settings, ...(alarmEmail ? { alarmEmail } : {}) }, HYBRID_SESSIONS_ASSETS);
app.synth();
