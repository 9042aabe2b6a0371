// What `make schema` writes for the worked example of docs/adding-a-method.md.

export interface TokenEntropy {
  kind: "token_entropy";
  text: string;
  nats: number;
}
