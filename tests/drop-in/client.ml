(* SPDX-License-Identifier: LGPL-2.1-or-later *)
(* A client in OCaml: what the bindings do with settings, data, callbacks,
   errors and options is printed, to be compared. Usage: client URI *)

let uri = Sys.argv.(1)

let hex data = Digest.to_hex (Digest.bytes data)

let attempt what call =
  try
    call ();
    Printf.printf "%s: done\n" what
  with NBD.Error (text, errno) ->
    Printf.printf "%s: %s (%s)\n" what text
      (match errno with None -> "no errno" | Some e -> Unix.error_message e)

let connected configure =
  let h = NBD.create () in
  NBD.set_uri_allow_local_file h true;
  configure h;
  NBD.connect_uri h uri;
  h

let drain h =
  while NBD.aio_in_flight h > 0 do
    ignore (NBD.poll h (-1))
  done

let facts h =
  List.iter
    (fun (name, fact) ->
       attempt name (fun () -> Printf.printf "%s is %b\n" name (fact h)))
    [ "read only", NBD.is_read_only; "flush", NBD.can_flush;
      "fua", NBD.can_fua; "trim", NBD.can_trim; "zero", NBD.can_zero;
      "multi-conn", NBD.can_multi_conn; "tls", NBD.get_tls_negotiated ];
  Printf.printf "%Ld bytes, %s, %s\n" (NBD.get_size h) (NBD.get_protocol h)
    (NBD.get_uri h)

(* The original goes back where it was: others compare the image. *)
let synchronous h =
  let original = Bytes.create 65536 in
  NBD.pread h original 0L;
  print_endline (hex original);
  NBD.pwrite h (Bytes.make 65536 'c') 0L;
  let back = Bytes.create 512 in
  NBD.pread h back 65024L;
  print_endline (Bytes.to_string (Bytes.sub back 500 12));
  NBD.pwrite h original 0L;
  attempt "flush" (fun () -> NBD.flush h);
  let length = ref 0 in
  NBD.pread_structured h back 0L (fun chunk _ _ _ ->
      length := !length + Bytes.length chunk;
      0);
  Printf.printf "chunks of %d bytes\n" !length

let asynchronous h =
  let n_done = ref 0 in
  let buffers =
    List.init 16 (fun n ->
        let buffer = NBD.Buffer.alloc 16384 in
        let completion error =
          if !error = 0 then incr n_done;
          1
        in
        ignore (NBD.aio_pread ~completion h buffer (Int64.of_int (n * 16384)));
        buffer)
  in
  drain h;
  let whole = Bytes.concat Bytes.empty (List.map NBD.Buffer.to_bytes buffers) in
  Printf.printf "%d reads, %s\n" !n_done (hex whole);
  (* A garbage collector that moves things must not mind callbacks. *)
  for n = 1 to 50 do
    let buffer = NBD.Buffer.alloc 512 in
    let cookie =
      NBD.aio_pread h buffer 0L ~completion:(fun _ ->
          Gc.compact ();
          0)
    in
    drain h;
    if not (NBD.aio_command_completed h cookie) then
      Printf.printf "read %d is not complete\n" n
  done

let mistakes h =
  let buffer = Bytes.create 512 in
  attempt "past the end" (fun () -> NBD.pread h buffer (NBD.get_size h));
  attempt "option too late" (fun () -> NBD.opt_go h);
  attempt "flag out of place" (fun () ->
      NBD.pwrite ~flags:[ NBD.CMD_FLAG.REQ_ONE ] h buffer 0L);
  attempt "completion that raises" (fun () ->
      ignore (NBD.aio_flush h ~completion:(fun _ -> failwith "oops"));
      drain h)

let extents h =
  if NBD.can_meta_context h NBD.context_base_allocation then
    NBD.block_status h (NBD.get_size h) 0L (fun context offset entries _ ->
        Printf.printf "%s at %Ld:" context offset;
        Array.iter (Printf.printf " %Ld") entries;
        print_newline ();
        0)

let options () =
  let h = connected (fun h -> NBD.set_opt_mode h true) in
  attempt "list" (fun () ->
      ignore (NBD.opt_list h (fun name text ->
          Printf.printf "export %S %S\n" name text;
          0)));
  attempt "info" (fun () -> NBD.opt_info h);
  attempt "contexts" (fun () ->
      ignore (NBD.opt_list_meta_context h (fun name ->
          print_endline name;
          0)));
  NBD.opt_abort h;
  Printf.printf "closed: %b\n" (NBD.aio_is_closed h);
  NBD.close h;
  try ignore (NBD.get_size h) with NBD.Closed what -> print_endline what

let () =
  attempt "unconnected" (fun () -> ignore (NBD.get_size (NBD.create ())));
  let h =
    connected (fun h -> NBD.add_meta_context h NBD.context_base_allocation)
  in
  facts h;
  synchronous h;
  asynchronous h;
  mistakes h;
  extents h;
  NBD.shutdown h;
  (* The words after the name of the state are each library's own. *)
  print_endline (List.hd (String.split_on_char ':' (NBD.connection_state h)));
  options ()
