-- Shadow runs that wait until their call has ended, in whichever process it was let in. A row goes when it is taken up.
CREATE TABLE routing_beside_due (
  call uuid NOT NULL,
  model text NOT NULL,
  PRIMARY KEY (call, model)
);
GRANT SELECT, INSERT, DELETE ON routing_beside_due TO :"app";
