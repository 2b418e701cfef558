// An OpenID Connect issuer on this machine that signs in everybody by any name, for the console and the services:
// ISSUER is its address, REDIRECT the console's, SECRET_FILE the console's secret.
import { readFileSync } from "node:fs";
import { generateKeyPairSync } from "node:crypto";
import { Provider } from "oidc-provider";

const { ISSUER, REDIRECT, SECRET_FILE } = process.env;
const ALG = "ES256";
const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
// What it lets the services' visitors do.
const SCOPES = "stock:read log:read stock:write catalogue:write";

const provider = new Provider(ISSUER, {
  clients: [{
    client_id: "console", client_secret: readFileSync(SECRET_FILE, "utf8").trim(),
    redirect_uris: [REDIRECT], grant_types: ["authorization_code"], response_types: ["code"],
    id_token_signed_response_alg: ALG,
  }],
  jwks: { keys: [{ ...privateKey.export({ format: "jwk" }), alg: ALG, use: "sig", kid: "key-1" }] },
  cookies: { keys: [readFileSync(SECRET_FILE, "utf8")] },
  scopes: ["openid", "profile", "operate", "reversals:write", ...SCOPES.split(" ")],
  claims: { openid: ["sub"], profile: ["preferred_username"] },
  conformIdTokenClaims: false,
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, preferred_username: id }) }),
  pkce: { required: () => true },
  features: {
    devInteractions: { enabled: true },
    resourceIndicators: {
      enabled: true,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({
        scope: SCOPES, audience: "stockbook", accessTokenTTL: 300, accessTokenFormat: "jwt", jwt: { sign: { alg: ALG } },
      }),
    },
  },
});
provider.on("server_error", (_, error) => console.error(error));
provider.listen(Number(new URL(ISSUER).port), "127.0.0.1", () => console.log("ready"));
