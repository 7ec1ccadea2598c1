// Asks a runtime with the JavaScript SDK, told by the environment alone, and prints what came back as JSON.
import {
  InvokeEndpointAsyncCommand,
  InvokeEndpointCommand,
  InvokeEndpointWithResponseStreamCommand,
  SageMakerRuntimeClient,
} from "@aws-sdk/client-sagemaker-runtime";

const commands = {
  InvokeEndpoint: InvokeEndpointCommand,
  InvokeEndpointAsync: InvokeEndpointAsyncCommand,
  InvokeEndpointWithResponseStream: InvokeEndpointWithResponseStreamCommand,
};
const [operation, members] = JSON.parse(process.argv[2]);
if (members.Body !== undefined) members.Body = new TextEncoder().encode(members.Body);
const client = new SageMakerRuntimeClient({ maxAttempts: 1 });
const told = { parts: [] };
try {
  const reply = await client.send(new commands[operation](members));
  for (const [name, value] of Object.entries(reply)) if (name !== "Body" && name !== "$metadata") told[name] = value;
  told.status = reply.$metadata.httpStatusCode;
  told.requestId = reply.$metadata.requestId;
  if (operation === "InvokeEndpoint") told.body = new TextDecoder().decode(reply.Body);
  if (operation === "InvokeEndpointWithResponseStream")
    for await (const event of reply.Body)
      told.parts.push(Buffer.from(event.PayloadPart.Bytes).toString("latin1"));
} catch (error) {
  told.error = { ...error, name: error.name, message: error.message, status: error.$metadata?.httpStatusCode };
}
console.log(JSON.stringify(told));
