// SPDX-License-Identifier: Apache-2.0
// The SDK's waiters, as they come: what waiters_test.py does with the other clients too.
// node waiters.mjs ENDPOINT SERVICE DEFINITION; says what each wait came to.
import {
  CreateServiceCommand,
  DeleteServiceCommand,
  ECSClient,
  RunTaskCommand,
  StopTaskCommand,
  waitUntilServicesInactive,
  waitUntilServicesStable,
  waitUntilTasksRunning,
  waitUntilTasksStopped,
} from "@aws-sdk/client-ecs";

const [endpoint, service, definition] = process.argv.slice(2);
const client = new ECSClient({
  endpoint,
  region: "us-east-1",
  credentials: { accessKeyId: "test", secretAccessKey: "test" },
});
const patience = { client, maxWaitTime: 180 };
const say = (what, result) => console.log(`${what} ${result.state}`);

await client.send(
  new CreateServiceCommand({ serviceName: service, taskDefinition: definition, desiredCount: 2 }),
);
say("services-stable", await waitUntilServicesStable(patience, { services: [service] }));
const ran = await client.send(new RunTaskCommand({ taskDefinition: definition, count: 1 }));
const tasks = ran.tasks.map((task) => task.taskArn);
say("tasks-running", await waitUntilTasksRunning(patience, { tasks }));
await client.send(new StopTaskCommand({ task: tasks[0] }));
say("tasks-stopped", await waitUntilTasksStopped(patience, { tasks }));
await client.send(new DeleteServiceCommand({ service, force: true }));
say("services-inactive", await waitUntilServicesInactive(patience, { services: [service] }));
