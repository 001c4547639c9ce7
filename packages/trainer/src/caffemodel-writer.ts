import { CheckpointError, type HostTensor } from '@alex/tensor';
import { checkHostTensor } from '@alex/tensor/kernels';
import protobuf from 'protobufjs/minimal.js';
import { blobNames, type Caffemodel, caffeFields } from './caffemodel.js';
import { describeFileError, writeAll, writeWhole } from './file.js';

/**
 * Writes a `.caffemodel`, atomically, in today's format (`LayerParameter`), which Caffe and {@link readCaffemodel} read.
 *
 * @param model every tensor is called `LAYER.weight` or `LAYER.bias`, after one of the layers
 * @throws CheckpointError if the file cannot be written, ShapeError if shape and data of a tensor disagree
 */
export async function writeCaffemodel(path: string, { name, layers, tensors }: Caffemodel): Promise<void> {
  const { network, layer } = caffeFields;
  const writer = protobuf.Writer.create();
  text(writer, network.name, name);
  for (const one of layers) {
    begin(writer, network.layer);
    text(writer, layer.name, one.name);
    text(writer, layer.type, one.type);
    for (const blob of blobNames) {
      const tensor = tensors[`${one.name}.${blob}`];
      if (!tensor) continue;
      begin(writer, layer.blobs);
      writeBlob(writer, `${path}: ${one.name}.${blob}`, tensor);
      writer.ldelim();
    }
    writer.ldelim();
  }
  await writeMessage(path, writer);
}

/**
 * Writes a mean image of Caffe (`.binaryproto`), as {@link readCaffeMean} reads it.
 *
 * @param mean `[1, 3, height, width]`: blue, green, red
 * @throws CheckpointError if the file cannot be written, ShapeError if shape and data disagree
 */
export async function writeCaffeMean(path: string, mean: HostTensor): Promise<void> {
  const { num, channels, height, width } = caffeFields.blob;
  const writer = protobuf.Writer.create();
  // Readers of mean images expect the four sizes of 2014.
  for (const [index, field] of [num, channels, height, width].entries()) {
    writer.uint32(field << 3).int64(mean.shape[index]!);
  }
  writeValues(writer, path, mean);
  await writeMessage(path, writer);
}

function writeBlob(writer: protobuf.Writer, what: string, tensor: HostTensor): void {
  begin(writer, caffeFields.blob.shape);
  begin(writer, caffeFields.shape.dim);
  for (const size of tensor.shape) writer.int64(size);
  writer.ldelim().ldelim();
  writeValues(writer, what, tensor);
}

function writeValues(writer: protobuf.Writer, what: string, tensor: HostTensor): void {
  checkHostTensor(what, tensor);
  const { buffer, byteOffset, byteLength } = tensor.data;
  writer.uint32(tagOfBytes(caffeFields.blob.data)).bytes(new Uint8Array(buffer, byteOffset, byteLength));
}

function text(writer: protobuf.Writer, field: number, value: string): void {
  writer.uint32(tagOfBytes(field)).string(value);
}

function begin(writer: protobuf.Writer, field: number): void {
  writer.uint32(tagOfBytes(field)).fork();
}

function tagOfBytes(field: number): number {
  return ((field << 3) | 2) >>> 0;
}

async function writeMessage(path: string, writer: protobuf.Writer): Promise<void> {
  try {
    await writeWhole(path, (file) => writeAll(file, writer.finish()));
  } catch (error) {
    throw new CheckpointError(`${path}: could not be written: ${describeFileError(error)}`, { cause: error });
  }
}
